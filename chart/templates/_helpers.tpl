{{/* The name in the labels. */}}
{{- define "web.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of the service, whichever version of it. */}}
{{- define "web.stableName" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $full .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of the objects: those of the canary have names of their own. */}}
{{- define "web.fullname" -}}
{{- $full := include "web.stableName" . -}}
{{- hasKey . "Canary" | ternary (printf "%s-canary" ($full | trunc 56 | trimSuffix "-")) $full -}}
{{- end -}}

{{/*
The names of the pods of both versions, as a regular expression: DEPLOYMENT-HASH-RANDOM. Kubernetes cuts what is before the
random part at 58 characters: of a long name it may take the hyphens, the hash, and the end of the name itself.
*/}}
{{- define "web.podNames" -}}
{{- $expressions := list -}}
{{- $canary := dict "Canary" true "Values" .Values "Chart" .Chart "Release" .Release -}}
{{- range list (include "web.fullname" .) (include "web.fullname" $canary) -}}
{{- $expressions = append $expressions (gt (len .) 46 | ternary (printf "%s(-?[a-z0-9]+){1,2}" (trunc 58 .)) (printf "%s-[a-z0-9]+-[a-z0-9]+" .)) -}}
{{- end -}}
{{- join "|" $expressions -}}
{{- end -}}

{{- define "web.serviceAccountName" -}}
{{- default (.Values.serviceAccount.create | ternary (include "web.stableName" .) "default") .Values.serviceAccount.name -}}
{{- end -}}

{{/*
What the release runs, as a list in dict "root" $ "into": the stable version and, with canary.enabled, the canary. The
canary is the same root with other values: what is about the pods of canary.values, each key whole. What all share (the
account, the routes, the redis) stays the stable version's. An empty map in the place of a text, a number or a list is
what the canary does not have: helm would drop a null.
*/}}
{{- define "web.versions" -}}
{{- $root := .root -}}
{{- $versions := list $root -}}
{{- if $root.Values.canary.enabled -}}
{{- $values := dict -}}
{{- range $name, $value := $root.Values }}{{ $_ := set $values $name $value }}{{ end -}}
{{- $shared := splitList " " "canary nameOverride fullnameOverride serviceAccount service ingress httpRoute istio redis test" -}}
{{- range $name, $value := $root.Values.canary.values -}}
{{- if not (has $name $shared) }}{{ $_ := set $values $name $value }}{{ end -}}
{{- if and (kindIs "map" $value) (not $value) (not (kindIs "map" (get $root.Values $name))) }}{{ $_ := unset $values $name }}{{ end -}}
{{- end -}}
{{- $versions = append $versions (dict "Canary" true "Values" $values "Chart" $root.Chart "Release" $root.Release "Subcharts" $root.Subcharts "Capabilities" $root.Capabilities "Template" $root.Template) -}}
{{- end -}}
{{- $_ := set .into "versions" $versions -}}
{{- end -}}

{{/* How many pods an autoscaler leaves at least: as told, or replicaCount, as far as it may have so many. */}}
{{- define "web.leastReplicas" -}}
{{- default (max 1 (min .Values.replicaCount .Values.autoscaling.maxReplicas)) .Values.autoscaling.minReplicas -}}
{{- end -}}

{{/* How many pods the canary has: as told, or its share of the stable ones, one at least. */}}
{{- define "web.canaryReplicas" -}}
{{- $stable := .Values.autoscaling.enabled | ternary (include "web.leastReplicas" .) .Values.replicaCount -}}
{{- $share := divf (mulf $stable .Values.canary.share) 100 | ceil | int -}}
{{- kindIs "invalid" .Values.canary.replicas | ternary (max 1 $share) .Values.canary.replicas -}}
{{- end -}}

{{/* The version in the labels: the tag, never the digest, which has no room in a label. */}}
{{- define "web.version" -}}
{{- regexReplaceAll "[^A-Za-z0-9._-]" .Values.image.tag "-" | trunc 63 | trimAll "._-" -}}
{{- end -}}

{{/*
What selects the pods. It can never change in a live release, so it is no more than this. The canary's pods have another
name, so that neither the service nor the Deployment of the stable version takes them for its own.
*/}}
{{- define "web.selectorLabels" -}}
{{- $name := include "web.name" . -}}
app.kubernetes.io/name: {{ hasKey . "Canary" | ternary (printf "%s-canary" ($name | trunc 56 | trimSuffix "-")) $name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/*
The labels of an object: dict "root" $ and, where wanted, "labels" (more of them) and "pod" (true: without those that
would roll the pods for nothing). More labels win over the common ones, those over the usual ones, the selector's over all.
*/}}
{{- define "web.labels" -}}
{{- $root := .root -}}
{{- $labels := dict "app.kubernetes.io/component" "server" "app.kubernetes.io/part-of" (include "web.name" $root) -}}
{{- with include "web.version" $root }}{{ $_ := set $labels "app.kubernetes.io/version" . }}{{ end -}}
{{- if not .pod -}}
{{- $_ := set $labels "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimAll "._-") -}}
{{- end -}}
{{- range $more := list $root.Values.commonLabels (default dict .labels) (include "web.selectorLabels" $root | fromYaml) -}}
{{- range $name, $value := $more }}{{ $_ := set $labels $name $value }}{{ end -}}
{{- end -}}
{{- toYaml $labels -}}
{{- end -}}

{{/* registry/repository:tag@digest, whatever of it is given. */}}
{{- define "web.image" -}}
{{- with .Values.image -}}
{{- if not (or .tag .digest) }}{{ fail "image.tag or image.digest must be given: which image is to run?" }}{{ end -}}
{{- with .registry }}{{ . }}/{{ end }}{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* A plain value as text: helm reads 1000000 as a float, and would print it as 1e+06. */}}
{{- define "web.text" -}}
{{- kindIs "string" . | ternary . (toJson .) -}}
{{- end -}}

{{/* The plain values of a map as text: {a: 1, b: null} becomes {a: "1"}, in JSON. */}}
{{- define "web.texts" -}}
{{- $texts := dict -}}
{{- range $name, $value := . -}}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $texts $name (include "web.text" $value) }}{{ end -}}
{{- end -}}
{{- toJson $texts -}}
{{- end -}}

{{/*
The data of a ConfigMap: lines as lines where that is safe. toYaml loses control characters and line separators, at times
with everything around them; quote does not.
*/}}
{{- define "web.data" -}}
{{- range $name, $value := include "web.texts" . | fromJson }}
{{ if regexMatch `[^\n\t\x20-\x7e\x{a0}-\x{2027}\x{202a}-\x{fefe}\x{ff00}-\x{fffd}\x{10000}-\x{10ffff}]` $value -}}
{{ quote $name }}: {{ quote $value }}
{{- else -}}
{{ toYaml (dict $name $value) }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The variables of the container: the chart's own under those in env, and first those that others may refer to. */}}
{{- define "web.env" -}}
{{- $env := include "web.ownEnv" . | fromYaml -}}
{{- range $name, $value := .Values.env }}{{ $_ := set $env $name $value }}{{ end -}}
{{- range $name, $value := $env -}}
{{- if kindIs "map" $value }}
- name: {{ quote $name }}
  {{- toYaml $value | nindent 2 }}
{{- end -}}
{{- end -}}
{{- range $name, $value := $env -}}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
- name: {{ quote $name }}
  value: {{ include "web.text" $value | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Nine tenths of the limit of the memory in bytes: a quantity such as 256Mi; of what is written otherwise nothing. */}}
{{- define "web.memoryLimit" -}}
{{- $memory := include "web.text" (dig "limits" "memory" "" (default dict .Values.resources)) -}}
{{- if regexMatch `^[0-9]+(\.[0-9]+)?([kMG]|[KMG]i)?$` $memory -}}
{{- $unit := regexFind "[kKMGi]*$" $memory -}}
{{- $bytes := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 -}}
{{- mulf (trimSuffix $unit $memory | float64) (index $bytes $unit) 0.9 | floor | int64 -}}
{{- end -}}
{{- end -}}

{{/* What the chart knows without being told. */}}
{{- define "web.ownEnv" -}}
PORT: {{ .Values.containerPort }}
{{- with .Values.metricsPort }}
METRICS_PORT: {{ . }}
{{- end }}
{{- with include "web.memoryLimit" . }}
GOMEMLIMIT: {{ quote . }}
{{- end }}
{{- if .Values.redis.enabled }}
REDIS_ADDR: {{ include "redis.fullname" .Subcharts.redis }}:{{ .Values.redis.port }}
{{- if .Values.redis.password }}
REDIS_PASSWORD:
  valueFrom:
    secretKeyRef: { name: {{ include "redis.fullname" .Subcharts.redis }}, key: password }
{{- end }}
{{- end }}
{{- with .Values.openTelemetry }}
{{- if .enabled }}
POD_NAME:
  valueFrom:
    fieldRef: { fieldPath: metadata.name }
POD_NAMESPACE:
  valueFrom:
    fieldRef: { fieldPath: metadata.namespace }
NODE_NAME:
  valueFrom:
    fieldRef: { fieldPath: spec.nodeName }
POD_REVISION: # a number of helm's would roll the pods at every release
  valueFrom:
    fieldRef: { fieldPath: "metadata.labels['pod-template-hash']" }
OTEL_EXPORTER_OTLP_ENDPOINT: {{ .endpoint | quote }}
OTEL_SERVICE_NAME: {{ include "web.stableName" $ | quote }}
OTEL_TRACES_SAMPLER: {{ .sampler | quote }}
OTEL_TRACES_SAMPLER_ARG: {{ include "web.text" .samplerArg | quote }}
OTEL_RESOURCE_ATTRIBUTES: {{ include "web.resourceAttributes" $ | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* name=value,… of a trace's source. What may hold anything is percent-encoded, as OpenTelemetry wants it. */}}
{{- define "web.resourceAttributes" -}}
{{- $attributes := dict "service.instance.id" "$(POD_NAME)" "k8s.pod.name" "$(POD_NAME)" "k8s.namespace.name" "$(POD_NAMESPACE)" "k8s.node.name" "$(NODE_NAME)" "k8s.deployment.name" (include "web.fullname" .) "k8s.pod.label.pod-template-hash" "$(POD_REVISION)" "helm.release.name" .Release.Name -}}
{{- with .Values.image.tag }}{{ $_ := set $attributes "service.version" . }}{{ end -}}
{{- if (default dict .Values.env).ENVIRONMENT }}{{ $_ := set $attributes "deployment.environment.name" "$(ENVIRONMENT)" }}{{ end -}}
{{- range $name, $value := include "web.texts" .Values.openTelemetry.resourceAttributes | fromJson }}{{ $_ := set $attributes $name (urlquery $value | replace "+" "%20") }}{{ end -}}
{{- $pairs := list -}}
{{- range $name, $value := $attributes }}{{ $pairs = append $pairs (printf "%s=%s" $name $value) }}{{ end -}}
{{- join "," $pairs -}}
{{- end -}}

{{/* The labels that bring a pod into the mesh. */}}
{{- define "web.meshLabels" -}}
{{- if eq .Values.istio.mode "sidecar" }}sidecar.istio.io/inject: "true"{{ end -}}
{{- if eq .Values.istio.mode "ambient" }}istio.io/dataplane-mode: ambient{{ end -}}
{{- end -}}

{{/* The labels of the pods besides the common ones: what the mesh is told, under what the values say. */}}
{{- define "web.podLabels" -}}
{{- $labels := include "web.meshLabels" . | fromYaml -}}
{{- range $name, $value := .Values.podLabels }}{{ $_ := set $labels $name $value }}{{ end -}}
{{- toYaml $labels -}}
{{- end -}}

{{/* The names of the pull secrets: the chart's own and the global ones, each once. */}}
{{- define "web.imagePullSecrets" -}}
{{- with concat (default list .Values.imagePullSecrets) .Values.global.imagePullSecrets | uniq }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/* Constraints without a labelSelector are about the pods of one version of this release. */}}
{{- define "web.topologySpreadConstraints" -}}
{{- $own := dict "labelSelector" (dict "matchLabels" (include "web.selectorLabels" . | fromYaml)) "matchLabelKeys" (list "pod-template-hash") -}}
{{- $constraints := list -}}
{{- range .Values.topologySpreadConstraints -}}
{{- $constraint := . -}}
{{- if not (hasKey . "labelSelector") }}{{ $constraint = merge (deepCopy .) $own }}{{ end -}}
{{- $constraints = append $constraints $constraint -}}
{{- end -}}
{{- with $constraints }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/*
The pods' annotations. The checksums are of what the pods read, as text: neither a label of the ConfigMap nor 1 that
becomes "1" rolls them.
*/}}
{{- define "web.podAnnotations" -}}
{{- $annotations := dict -}}
{{- $nothing := list "{}" "{}" -}}
{{- $config := default dict .Values.config -}}
{{- $config = list (include "web.texts" $config.data) (include "web.texts" $config.files) -}}
{{- if ne (toJson $config) (toJson $nothing) }}{{ $_ := set $annotations "checksum/config" ($config | toJson | sha256sum) }}{{ end -}}
{{- $secret := default dict .Values.secret -}}
{{- $secret = list (include "web.texts" $secret.data) (include "web.texts" $secret.files) -}}
{{- if and .Values.redis.enabled (not (hasKey (default dict .Values.env) "REDIS_PASSWORD")) }}{{ with .Values.redis.password }}{{ $secret = append $secret . }}{{ end }}{{ end -}}
{{- if ne (toJson $secret) (toJson $nothing) }}{{ $_ := set $annotations "checksum/secret" ($secret | toJson | sha256sum) }}{{ end -}}
{{- with .Values.scrape }}{{ if .enabled -}}
{{- $_ := set $annotations "prometheus.io/scrape" "true" -}}
{{- $_ := set $annotations "prometheus.io/path" .path -}}
{{- $_ := set $annotations "prometheus.io/port" (default $.Values.containerPort $.Values.metricsPort | toString) -}}
{{- end }}{{ end -}}
{{- if eq .Values.istio.mode "sidecar" -}}{{- /* by itself the proxy ends after 5 seconds, with requests still under way */ -}}
{{- $_ := set $annotations "proxy.istio.io/config" (dict "terminationDrainDuration" (printf "%ds" (max 1 (sub .Values.terminationGracePeriodSeconds 5))) | toJson) -}}
{{- end -}}
{{- range $name, $value := .Values.podAnnotations }}{{ $_ := set $annotations $name $value }}{{ end -}}
{{- range $name, $value := $annotations }}
{{ $name }}: {{ $value | quote }}
{{- end -}}
{{- end -}}

{{/* The labels of the test's pod: the service must not select it. */}}
{{- define "web.testLabels" -}}
app.kubernetes.io/name: {{ include "web.name" . | trunc 58 }}-test
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}
