// Elements of the page. Words of the server become text nodes, never markup.

export const $ = (id) => document.getElementById(id);

export function element(name, className, ...children) {
  const node = document.createElement(name);
  node.className = className;
  node.append(...children); // strings become text nodes
  return node;
}
