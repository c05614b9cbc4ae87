{{/* What each role is: no matter of choice. `named`: its pods have names on the bus. `file`: what it
asks stands in FILE.toml of a Secret, if there is one (FILESecret). */}}
{{- define "voicebus.facts" -}}
stt: {image: stt-whisper, args: [voicebus, worker, stt], seed: stt, slots: VOICEBUS_STT_SLOTS, models: true, metrics: 9464}
turn: {image: core, args: [voicebus, worker, turn], seed: turn, slots: VOICEBUS_TURN_SLOTS, metrics: 9464}
llm: {image: llm, args: [voicebus, worker, llm], seed: llm, slots: VOICEBUS_LLM_SLOTS, metrics: 9464, asks: true, file: providers, named_by: VOICEBUS_LLM_PROVIDERS_FILE}
tts: {image: tts-piper, args: [voicebus, worker, tts], seed: tts, slots: VOICEBUS_TTS_SLOTS, models: true, metrics: 9464}
tool: {image: tools, args: [voicebus, worker, tool], seed: tool, slots: VOICEBUS_TOOL_SLOTS, metrics: 9464, asks: true, file: servers, named_by: VOICEBUS_TOOL_SERVERS_FILE}
supervisor: {image: core, args: [voicebus, supervise], seed: supervisor, system: true, metrics: 9464}
edge: {image: edge, args: [voicebus, edge], seed: edge, named: VOICEBUS_EDGE_NAME, metrics: 8080, serves: 8080}
telephony: {image: edge, args: [voicebus, edge, telephony], seed: edge, named: VOICEBUS_TELEPHONY_NAME, metrics: 9464, serves: 8090}
telegram: {image: telegram, args: [voicebus, bridge, telegram], seed: telegram, named: VOICEBUS_TELEGRAM_NAME, metrics: 9464, serves: 8081, asks: true}
llama: {image: llm-local, args: [python, -m, services.llm.llama_server, --host, 0.0.0.0, --port, "8081", --model, /var/lib/voicebus/models/smollm2-135m-instruct-q4_1/SmolLM2-135M-Instruct.Q4_1.gguf], models: true, metrics: 8081, serves: 8081, health: /health}
{{- end }}

{{- define "voicebus.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "voicebus.selector" -}}
app.kubernetes.io/name: voicebus
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "voicebus.labels" -}}
{{ include "voicebus.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "voicebus.busUrl" -}}
{{- if .Values.bus.url }}{{ .Values.bus.url }}{{ else -}}
{{- $name := include "voicebus.name" . -}}
{{- range $i := until (int .Values.bus.nats.replicas) }}{{ if $i }},{{ end }}nats://{{ $name }}-nats-{{ $i }}.{{ $name }}-nats:4222{{ end }}
{{- end }}
{{- end }}

{{/* The ports of addresses with commas between them, as a rule of a NetworkPolicy has them.
Arguments: urls; default, of an address without one. */}}
{{- define "voicebus.ports" -}}
{{- $ports := list }}
{{- range splitList "," .urls }}
{{- $ports = append $ports (regexFind "[0-9]+$" (regexFind ":[0-9]+$" (urlParse (trim .)).host) | default $.default) }}
{{- end }}
{{- range uniq $ports }}
- {port: {{ . }}}
{{- end }}
{{- end }}

{{/* Arguments: root, name of an image. */}}
{{- define "voicebus.image" -}}
{{ .root.Values.image.registry }}/{{ .image }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "voicebus.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "voicebus.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Environment of every process: root. */}}
{{- define "voicebus.env" -}}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
- {name: VOICEBUS_NATS_URL, value: {{ include "voicebus.busUrl" . | quote }}}
- {name: VOICEBUS_REPLICAS, value: {{ min 3 (int .Values.bus.nats.replicas) | quote }}}
- {name: VOICEBUS_NATS_NKEY_FILE, value: /run/voicebus/own.seed}
{{- if .Values.bus.caSecret }}
- {name: VOICEBUS_NATS_CA_FILE, value: /run/voicebus-ca/ca.crt}
{{- end }}
{{- end }}

{{/* Settings of a role's own, as YAML: root, role. The language model's worker asks the server that is
here, unless it is told of another. */}}
{{- define "voicebus.ownEnv" -}}
{{- $own := index .root.Values.roles .role }}
{{- $env := deepCopy ($own.env | default dict) }}
{{- $told := merge (dict) $env ($own.secretEnv | default dict) .root.Values.settings }}
{{- if and (eq .role "llm") .root.Values.roles.llama.enabled (not (hasKey $told "VOICEBUS_LLM_URL")) }}
{{- $url := printf "http://%s-llama:8081/v1" (include "voicebus.name" .root) }}
{{- /* `merge` takes false for nothing. */}}
{{- range $key, $value := dict "VOICEBUS_LLM_URL" $url "VOICEBUS_LLM_CACHE_PROMPT" "true" "VOICEBUS_LLM_PREFILL" "true" }}
{{- if not (hasKey $env $key) }}{{ $_ := set $env $key $value }}{{ end }}
{{- end }}
{{- end }}
{{- if eq .role "telephony" }}
{{- $proof := pick $told "VOICEBUS_TELEPHONY_SECRET" "VOICEBUS_TELEPHONY_TWILIO_AUTH_TOKEN" "VOICEBUS_TELEPHONY_ANYONE" }}
{{- if not $proof }}
{{- fail "roles.telephony: who may bring calls? VOICEBUS_TELEPHONY_SECRET or VOICEBUS_TELEPHONY_TWILIO_AUTH_TOKEN in secretEnv, or VOICEBUS_TELEPHONY_ANYONE in env" }}
{{- end }}
{{- with $own.audiosocket }}
{{- if .port }}
{{- $networks := required "roles.telephony.audiosocket.networks: it knows no secret, so say from where calls may come" .networks }}
{{- $env = merge $env (dict "VOICEBUS_TELEPHONY_AUDIOSOCKET_PORT" (.port | int) "VOICEBUS_TELEPHONY_AUDIOSOCKET_NETWORKS" $networks) }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $env }}
{{- end }}
