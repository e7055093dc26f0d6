{{- define "bridge.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "bridge.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "bridge.labels" -}}
{{ include "bridge.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* "yes" if the bridge keeps events or state itself, on a volume. */}}
{{- define "bridge.embedded" -}}
{{- $nats := .Values.config.nats | default dict -}}
{{- $state := .Values.config.state | default dict -}}
{{- if not (and (or $nats.url $nats.url_file) (or $state.redis_url $state.redis_url_file)) -}}yes{{- end -}}
{{- end -}}

{{/* The port of the embedded server, if nats.listen opens it to others. */}}
{{- define "bridge.natsPort" -}}
{{- $listen := (.Values.config.nats | default dict).listen | default "127.0.0.1:4222" -}}
{{- if not (or (hasPrefix "127." $listen) (hasPrefix "localhost:" $listen) (hasPrefix "[::1]" $listen)) -}}
{{- regexFind "[0-9]+$" $listen -}}
{{- end -}}
{{- end -}}

{{/* Refuses what cannot work, or would put a secret where many can read it. */}}
{{- define "bridge.check" -}}
{{- if not .Values.config.accounts -}}
{{- fail "config.accounts is empty: give one account at least, with api_key_file and user_agent" -}}
{{- end -}}
{{- range $i, $a := .Values.config.accounts -}}
{{- if $a.api_key -}}
{{- fail (printf "config.accounts[%d].api_key: a key does not belong in values, which stand in a ConfigMap; put it into the Secret %s, and name its key there: api_key_file" $i $.Values.existingSecret) -}}
{{- end -}}
{{- end -}}
{{- $state := .Values.config.state | default dict -}}
{{- if $state.fingerprint_key -}}
{{- fail (printf "config.state.fingerprint_key: a key does not belong in values, which stand in a ConfigMap; put it into the Secret %s, and name its key there: fingerprint_key_file" .Values.existingSecret) -}}
{{- end -}}
{{- if contains "@" ($state.redis_url | default "") -}}
{{- fail (printf "config.state.redis_url holds a password, and values stand in a ConfigMap; put the URL into the Secret %s, and name its key there: redis_url_file" .Values.existingSecret) -}}
{{- end -}}
{{- if contains "@" ((.Values.config.nats | default dict).url | default "") -}}
{{- fail (printf "config.nats.url holds a password, and values stand in a ConfigMap; put the URL into the Secret %s, and name its key there: url_file" .Values.existingSecret) -}}
{{- end -}}
{{- if regexMatch "://[^/[:space:]]*@|[?&]password=" (toYaml (list .Values.config .Values.env)) -}}
{{- fail (printf "a URL in config or env holds a password, and many can read both; put it into the Secret %s, and name its key there: url_file, redis_url_file, or valueFrom in env" .Values.existingSecret) -}}
{{- end -}}
{{- if and (include "bridge.embedded" .) (gt (int .Values.replicas) 1) -}}
{{- fail (printf "replicas is %d, and the bridge keeps its events or its state on a volume of its own, which one process alone can have: give nats.url and state.redis_url (or …_file) in config, or replicas: 1" (int .Values.replicas)) -}}
{{- end -}}
{{- end -}}

{{/* The configuration as the bridge reads it. Files are beside it. */}}
{{- define "bridge.config" -}}
{{- $set := dict "data_dir" "/data" "admin" (dict "listen" "0.0.0.0:8321" "token_file" "admin_token") -}}
{{- mustMergeOverwrite (deepCopy .Values.config) $set | toYaml -}}
{{- end -}}
