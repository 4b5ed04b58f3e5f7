{{/* The chart's name, at most a label long. */}}
{{- define "web.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of the release's objects: the release's own where that says the chart's already. */}}
{{- define "web.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "web.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What never changes of a release: selectors cannot be updated. */}}
{{- define "web.selectorLabels" -}}
app.kubernetes.io/name: {{ include "web.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every object. A digest is no label value, so the version is the tag alone. */}}
{{- define "web.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "web.selectorLabels" . }}
app.kubernetes.io/version: {{ default .Chart.AppVersion .Values.image.tag | replace "+" "_" | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* metadata of an object. dict: root, suffix (of the name, optional), annotations (optional). */}}
{{- define "web.metadata" -}}
name: {{ include "web.fullname" .root }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "web.labels" .root | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* registry/repository:tag@digest. dict: image, default (tag). */}}
{{- define "web.image" -}}
{{- with .image.registry }}{{ . }}/{{ end -}}
{{ .image.repository }}:{{ default .default .image.tag }}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "web.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "web.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* One variable. dict: name, value (a scalar, or a map such as valueFrom). */}}
{{- define "web.variable" -}}
- name: {{ .name }}
{{- if kindIs "map" .value }}
  {{- toYaml .value | nindent 2 }}
{{- else }}
  value: {{ .value | toString | quote }}
{{- end }}
{{- end -}}

{{/* All variables of the container: what the chart knows, under what `env` says. */}}
{{- define "web.env" -}}
{{- $env := dict "PORT" (toString .Values.service.targetPort) -}}
{{- if .Values.redis.enabled }}
{{- $_ := set $env "REDIS_ADDR" (printf "%s-redis:6379" .Release.Name) -}}
{{- end }}
{{- with .Values.openTelemetry }}
{{- if .enabled }}
{{- $attributes := merge (dict) .resourceAttributes (dict "service.namespace" $.Release.Namespace "helm.release" $.Release.Name) -}}
{{- $pairs := list -}}
{{- range $key, $value := $attributes }}{{- $pairs = append $pairs (printf "%s=%v" $key $value) -}}{{- end }}
{{- $_ := set $env "OTEL_EXPORTER_OTLP_ENDPOINT" .endpoint -}}
{{- $_ := set $env "OTEL_TRACES_SAMPLER" .sampler -}}
{{- $_ := set $env "OTEL_TRACES_SAMPLER_ARG" .samplerArg -}}
{{- $_ := set $env "OTEL_RESOURCE_ATTRIBUTES" (join "," $pairs) -}}
{{- end }}
{{- end }}
{{- range $name, $value := merge (dict) .Values.env $env }}
{{ include "web.variable" (dict "name" $name "value" $value) }}
{{- end }}
{{- end -}}
