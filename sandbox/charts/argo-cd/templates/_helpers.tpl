{{- define "argo-cd.labels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Upstream's Deployments and StatefulSet to the values' keys. */ -}}
{{- define "argo-cd.components" -}}
argocd-application-controller: controller
argocd-applicationset-controller: applicationSet
argocd-dex-server: dex
argocd-notifications-controller: notifications
argocd-redis: redis
argocd-repo-server: repoServer
argocd-server: server
{{- end }}

{{- /* "off" for what belongs to a component that the values switch off. */ -}}
{{- define "argo-cd.off" -}}
{{- $root := index . 0 }}
{{- $name := index . 1 }}
{{- if or (and (contains "-dex-" $name) (not $root.Values.dex.enabled)) (and (contains "-notifications-" $name) (not $root.Values.notifications.enabled)) -}}
off
{{- end }}
{{- end }}

{{- /* Changes a Deployment or StatefulSet of upstream's to what the values say. */ -}}
{{- define "argo-cd.workload" -}}
{{- $root := index . 0 }}
{{- $object := index . 1 }}
{{- $values := index $root.Values (index (include "argo-cd.components" $root | fromYaml) $object.metadata.name) }}
{{- $_ := set $object.spec "replicas" (int (dig "replicas" 1 $values)) }}
{{- /* The programs read these settings at their start only. */}}
{{- $metadata := $object.spec.template.metadata }}
{{- $checksum := $root.Values.configs.params | toJson | sha256sum }}
{{- $_ := set $metadata "annotations" (merge (dict "checksum/cmd-params" $checksum) ($metadata.annotations | default dict)) }}
{{- $pod := $object.spec.template.spec }}
{{- $_ := set $pod "securityContext" (merge ($pod.securityContext | default dict) (dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault"))) }}
{{- with $values.priorityClassName | default $root.Values.global.priorityClassName }}
{{- $_ := set $pod "priorityClassName" . }}
{{- end }}
{{- $own := $root.Values.global.image }}
{{- range $container := concat ($pod.initContainers | default list) $pod.containers }}
{{- if contains "/argocd:" $container.image }}
{{- $_ := set $container "image" (printf "%s:%s" $own.repository ($own.tag | default $root.Chart.AppVersion)) }}
{{- end }}
{{- if eq $container.name "redis" }}
{{- $_ := set $container "image" (printf "%s:%s" $root.Values.redis.image.repository $root.Values.redis.image.tag) }}
{{- end }}
{{- $_ := set $container "imagePullPolicy" $own.imagePullPolicy }}
{{- $resources := $values.resources }}
{{- if eq $container.name "copyutil" }}
{{- $resources = dig "copyutil" "resources" dict $values | default $resources }}
{{- else if eq $container.name "secret-init" }}
{{- $resources = $root.Values.redisSecretInit.resources | default $resources }}
{{- end }}
{{- $_ := set $container "resources" $resources }}
{{- end }}
{{- end }}

{{- /* Values are text in a ConfigMap, whatever they are in a file of values. */ -}}
{{- define "argo-cd.texts" -}}
{{- range $key, $value := . }}
{{ $key | quote }}: {{ kindIs "string" $value | ternary $value (toString $value) | toJson }}
{{- end }}
{{- end }}
