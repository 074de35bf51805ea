{{- define "retina.namespace" -}}
{{ .Values.namespace | default .Release.Namespace }}
{{- end }}

{{- define "retina.selector" -}}
app: {{ .Values.nameOverride }}
k8s-app: retina
{{- end }}

{{- define "retina.labels" -}}
app.kubernetes.io/name: retina
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "retina.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "retina.port" -}}
{{ .Values.apiServer.port | default .Values.retinaPort }}
{{- end }}

{{/* A list of plugins that may be written as text. Arguments: the value. */}}
{{- define "retina.names" -}}
{{- if kindIs "string" . }}{{ fromYamlArray . | toJson }}{{ else }}{{ . | default list | toJson }}{{ end -}}
{{- end }}

{{/* Names of all plugins of Linux agents, as a JSON list. */}}
{{- define "retina.plugins" -}}
{{- $names := include "retina.names" .Values.enabledPlugin_linux | fromJsonArray -}}
{{- range $name, $options := .Values.plugins }}{{ $names = append $names $name }}{{ end -}}
{{- $names | uniq | sortAlpha | toJson -}}
{{- end }}

{{/* What they need together: {capabilities, mounts, hostPid} as JSON. */}}
{{- define "retina.needs" -}}
{{- $known := (.Files.Get "files/needs.json" | fromJson) -}}
{{- $capabilities := .Values.securityContext.capabilities.add -}}
{{- $mounts := list -}}
{{- $hostPid := false -}}
{{- range $name := include "retina.plugins" . | fromJsonArray -}}
{{- $needs := get $known $name | default (get $.Values.pluginNeeds $name) -}}
{{- if not (or (hasKey $known $name) (hasKey $.Values.pluginNeeds $name)) -}}
{{- fail (printf "\n\nplugin %q is none of the chart's own (%s).\nIf it is in your image, say what it needs, as its dist/retina.json does:\n  pluginNeeds: {%q: {capabilities: []}}\n" $name (keys $known | sortAlpha | join ", ") $name) -}}
{{- end -}}
{{- $capabilities = concat $capabilities ($needs.capabilities | default list) -}}
{{- $mounts = concat $mounts ($needs.mounts | default list) -}}
{{- if $needs.hostPid }}{{ $hostPid = true }}{{ end -}}
{{- end -}}
{{- dict "capabilities" ($capabilities | uniq | sortAlpha) "mounts" ($mounts | uniq | sortAlpha) "hostPid" $hostPid | toJson -}}
{{- end }}

{{/* Not empty if agents read RetinaEndpoints. */}}
{{- define "retina.endpoints" -}}
{{- if and .Values.remoteContext .Values.operator.enabled .Values.operator.enableRetinaEndpoint }}true{{ end -}}
{{- end }}

{{/* The agent's configuration file. Argument: the root context; for Linux. */}}
{{- define "retina.config" -}}
{{- $v := .Values -}}
{{- $config := dict
      "apiServer" (dict "host" $v.apiServer.host "port" (include "retina.port" . | int))
      "logLevel" $v.logLevel
      "enabledPlugin" (include "retina.names" $v.enabledPlugin_linux | fromJsonArray)
      "enablePodLevel" $v.enablePodLevel
      "remoteContext" $v.remoteContext
      "enableAnnotations" $v.enableAnnotations
      "bypassLookupIPOfInterest" $v.bypassLookupIPOfInterest
      "enableConntrackMetrics" $v.enableConntrackMetrics
      "conntrackReportInterval" $v.conntrackReportInterval
      "dataAggregationLevel" $v.dataAggregationLevel
      "dataSamplingRate" ($v.dataSamplingRate | int)
      "enableTCX" $v.enableTCX
-}}
{{- if include "retina.endpoints" . }}{{ $_ := set $config "enableRetinaEndpoint" true }}{{ end -}}
{{- with $v.plugins }}{{ $_ := set $config "plugins" . }}{{ end -}}
{{- with $v.exporters }}{{ $_ := set $config "exporters" . }}{{ end -}}
{{- with $v.metricsIntervalDuration }}{{ $_ := set $config "metricsIntervalDuration" . }}{{ end -}}
{{- with $v.monitorSockPath }}{{ $_ := set $config "monitorSockPath" . }}{{ end -}}
{{- mergeOverwrite $config (deepCopy $v.agent.config) | toYaml -}}
{{- end }}
