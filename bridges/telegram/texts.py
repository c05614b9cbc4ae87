"""What the bridge itself says, in the languages that it knows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_EN: Final = {
    "start": "Write to me, or send a voice message. /help says what else I can do.",
    "help": (
        "Write or speak to me, and I answer.\n\n"
        "/voice: how I answer, and with which voice\n"
        "/language: which language you speak\n"
        "/persona: whom you talk with\n"
        "/settings: all of it\n"
        "/stop: end the answer that runs\n"
        "/retry: ask again what was asked last\n"
        "/reset: begin a new conversation\n"
        "/forget: delete this conversation, wherever else it goes on as well\n"
        "/link: go on with this conversation somewhere else; /link CODE: go on with one from there"
    ),
    "help_group": "\n\nIn this group, mention me or reply to one of my messages.",
    "reset": "A new conversation: what was said before counts no more here. /forget deletes it.",
    "forgotten": "What was said in this conversation is deleted. We begin anew.",
    "answers": "How shall I answer?",
    "answers_same": "as I was asked",
    "answers_text": "in text",
    "answers_voice": "in voice",
    "answers_both": "in both",
    "voices": "Which voice?",
    "voice_default": "the usual one",
    "languages": "Which language do you speak?",
    "language_any": "any: I find out",
    "personas": "Whom do you want to talk with?",
    "persona_default": "as usual",
    "settings": "Answers: {answers}\nVoice: {voice}\nLanguage: {language}\nPersona: {persona}",
    "chosen": "It is so from now on.",
    "gone": "That is not to be had any more.",
    "speak": "🔊 Speak",
    "stop": "⏹ Stop",
    "retry": "↻ Again",
    "persona": "🎭 Persona",
    "voice": "🗣 Voice",
    "language": "🌐 Language",
    "stopped": "Stopped.",
    "nothing_runs": "No answer runs.",
    "nothing_asked": "Nothing was asked yet.",
    "thinking": "…",
    "link_made": (
        "Your code: {code}\nGood for {minutes} min and one use. Whoever has it reads on from here."
    ),
    "link_joined": "We go on with that conversation.",
    "not_admitted": "This bot is not for everybody. Your number is {number}.",
    "too_many": "Slower, please: I answer {limit} messages a minute.",
    "lane_full": "One after the other, please: I am still busy with your last messages.",
    "not_understood": "I understand text and voice, and nothing else.",
    "voice_forbidden": "You take no voice messages.",
    "voice_forbidden_here": "Voice messages are not allowed here.",
    "error": "Something went wrong. Try again later.",
    "error_audio_too_long": "That is too long: at most {seconds} s.",
    "error_file_too_large": "That is too large: at most {megabytes} MB.",
    "error_audio": "I cannot play this recording: it is damaged, or no audio that I know.",
    "error_nothing_heard": "I heard no words in it.",
    "error_busy": "Too many people talk with me right now. Try again in a minute.",
    "error_link_refused": "This code is not good, or not any more.",
    "error_limit_reached": "Too many codes were tried. Wait a minute.",
}

_RU: Final = {
    "start": "Напишите мне или отправьте голосовое сообщение. Что ещё я умею: /help.",
    "help": (
        "Пишите или говорите, и я отвечу.\n\n"
        "/voice: как отвечать и каким голосом\n"
        "/language: на каком языке вы говорите\n"
        "/persona: с кем вы говорите\n"
        "/settings: все настройки\n"
        "/stop: прервать ответ\n"
        "/retry: повторить последний вопрос\n"
        "/reset: начать новый разговор\n"
        "/forget: удалить этот разговор везде, где он продолжается\n"
        "/link: продолжить этот разговор в другом месте; /link КОД: продолжить разговор оттуда"
    ),
    "help_group": "\n\nВ этой группе упомяните меня или ответьте на моё сообщение.",
    "reset": "Новый разговор: прежний здесь больше не учитывается. Удаляет разговор /forget.",
    "forgotten": "Всё сказанное в этом разговоре удалено. Начинаем сначала.",
    "answers": "Как мне отвечать?",
    "answers_same": "так же, как спросили",
    "answers_text": "текстом",
    "answers_voice": "голосом",
    "answers_both": "и так, и так",
    "voices": "Каким голосом?",
    "voice_default": "обычным",
    "languages": "На каком языке вы говорите?",
    "language_any": "на любом: пойму сам",
    "personas": "С кем вы хотите говорить?",
    "persona_default": "как обычно",
    "settings": "Ответы: {answers}\nГолос: {voice}\nЯзык: {language}\nПерсонаж: {persona}",
    "chosen": "Теперь так.",
    "gone": "Этого больше нет.",
    "speak": "🔊 Озвучить",
    "stop": "⏹ Стоп",
    "retry": "↻ Ещё раз",
    "persona": "🎭 Персонаж",
    "voice": "🗣 Голос",
    "language": "🌐 Язык",
    "stopped": "Прервано.",
    "nothing_runs": "Сейчас я не отвечаю.",
    "nothing_asked": "Вопросов ещё не было.",
    "thinking": "…",
    "link_made": (
        "Ваш код: {code}\nДействует {minutes} мин. и один раз. Кто его знает, читает дальше отсюда."
    ),
    "link_joined": "Продолжаем тот разговор.",
    "not_admitted": "Этот бот не для всех. Ваш номер: {number}.",
    "too_many": "Помедленнее: я отвечаю на {limit} сообщений в минуту.",
    "lane_full": "По очереди, пожалуйста: я ещё занят прежними сообщениями.",
    "not_understood": "Я понимаю только текст и голос.",
    "voice_forbidden": "Вы не принимаете голосовые сообщения.",
    "voice_forbidden_here": "Голосовые сообщения здесь запрещены.",
    "error": "Что-то пошло не так. Попробуйте позже.",
    "error_audio_too_long": "Слишком долго: не больше {seconds} с.",
    "error_file_too_large": "Слишком большой файл: не больше {megabytes} МБ.",
    "error_audio": "Не могу воспроизвести запись: она повреждена или неизвестного вида.",
    "error_nothing_heard": "Я не расслышал слов.",
    "error_busy": "Сейчас со мной говорит слишком много людей. Попробуйте через минуту.",
    "error_link_refused": "Код не подходит или больше не действует.",
    "error_limit_reached": "Слишком много попыток. Подождите минуту.",
}

TEXTS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({"en": _EN, "ru": _RU})
"""By language and name. Every language has every name."""

COMMANDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "en": {
            "help": "what I can do",
            "voice": "how I answer",
            "language": "which language you speak",
            "persona": "whom you talk with",
            "settings": "all settings",
            "stop": "end this answer",
            "retry": "ask again",
            "reset": "a new conversation",
            "forget": "delete this conversation",
            "link": "go on somewhere else",
        },
        "ru": {
            "help": "что я умею",
            "voice": "как отвечать",
            "language": "язык",
            "persona": "собеседник",
            "settings": "все настройки",
            "stop": "прервать ответ",
            "retry": "спросить ещё раз",
            "reset": "новый разговор",
            "forget": "удалить этот разговор",
            "link": "продолжить в другом месте",
        },
    }
)
"""What Telegram shows in the menu of a chat."""

_ERRORS: Final = {
    "no_worker": "busy",
    "busy": "busy",
    "bus_unavailable": "busy",
    "audio_unsupported": "audio",
    "audio_corrupt": "audio",
}


def text_of(name: str, language: str, /, **values: object) -> str:
    """Return a text, in English where the language is not known."""
    known = TEXTS.get(language.partition("-")[0].lower(), _EN)
    return known[name].format(**values) if values else known[name]


def error_text(code: str, language: str, /, **values: object) -> str:
    """Return what somebody is told of an error."""
    name = f"error_{_ERRORS.get(code, code)}"
    return text_of(name if name in _EN else "error", language, **values)
