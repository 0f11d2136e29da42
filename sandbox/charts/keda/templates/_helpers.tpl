{{- define "keda.labels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: keda-operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* The programs: upstream's Deployment, the values' keys, and where its probes and metrics are. */ -}}
{{- define "keda.roles" -}}
keda-operator: {image: keda, resources: operator, replicas: operator, service: keda-operator}
keda-metrics-apiserver:
  {image: metricsApiServer, resources: metricServer, replicas: metricsServer, service: keda-metrics-apiserver}
keda-admission: {image: webhooks, resources: webhooks, replicas: webhooks, service: keda-admission-webhooks}
{{- end }}

{{- /* Changes a Deployment of upstream's to what the values say. */ -}}
{{- define "keda.deployment" -}}
{{- $root := index . 0 }}
{{- $object := index . 1 }}
{{- $role := index (include "keda.roles" $root | fromYaml) $object.metadata.name }}
{{- $image := index $root.Values.image $role.image }}
{{- $replicas := index $root.Values $role.replicas "replicaCount" }}
{{- $_ := set $object.spec "replicas" (int $replicas) }}
{{- $pod := $object.spec.template }}
{{- $_ := set $pod.spec "securityContext" (dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault")) }}
{{- with $root.Values.priorityClassName }}
{{- $_ := set $pod.spec "priorityClassName" . }}
{{- end }}
{{- range $container := $pod.spec.containers }}
{{- $tag := $image.tag | default $root.Chart.AppVersion }}
{{- $_ := set $container "image" (printf "%s/%s:%s" $image.registry $image.repository $tag) }}
{{- $_ := set $container "imagePullPolicy" $root.Values.image.pullPolicy }}
{{- $_ := set $container "resources" (index $root.Values.resources $role.resources) }}
{{- /* Upstream waits 20 s before it asks at all. */}}
{{- $_ := set $container.readinessProbe "initialDelaySeconds" 3 }}
{{- $_ := set $container.readinessProbe "periodSeconds" 3 }}
{{- $env := $container.env | default list }}
{{- if and (eq $role.image "keda") $root.Values.permissions.operator.restrict.secret }}
{{- $env = append $env (dict "name" "KEDA_RESTRICT_SECRET_ACCESS" "value" "true") }}
{{- end }}
{{- $_ := set $container "env" (concat $env $root.Values.env) }}
{{- if eq $role.image "metricsApiServer" }}
{{- $_ := set $container "command" (list "/keda-adapter") }}
{{- $_ := set $container "args" (without $container.args "/usr/local/bin/keda-adapter") }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Changes the operator's ClusterRole to what the values say, as in upstream's chart: its manifests alone would let it
read everything, Secrets too, and scale everything. */ -}}
{{- define "keda.rights" -}}
{{- $root := index . 0 }}
{{- $role := index . 1 }}
{{- $rules := list (dict "apiGroups" (list "") "resources" (list "limitranges" "serviceaccounts") "verbs" (list "get")) }}
{{- range $rule := $role.rules }}
{{- if $root.Values.permissions.operator.restrict.secret }}
{{- $_ := set $rule "resources" (without $rule.resources "secrets") }}
{{- end }}
{{- if not (has "*" $rule.apiGroups) }}
{{- $rules = append $rules $rule }}
{{- end }}
{{- end }}
{{- $targets := list (dict "apiGroup" "apps" "kind" "deployments") (dict "apiGroup" "apps" "kind" "statefulsets") }}
{{- if $root.Values.rbac.enabledCustomScaledRefKinds }}
{{- $targets = concat $targets $root.Values.rbac.scaledRefKinds }}
{{- end }}
{{- range $target := $targets }}
{{- $groups := list $target.apiGroup }}
{{- $scale := list (printf "%s/scale" $target.kind) }}
{{- $rules = append $rules (dict "apiGroups" $groups "resources" (list $target.kind) "verbs" (list "get")) }}
{{- $rules = append $rules (dict "apiGroups" $groups "resources" $scale "verbs" (list "get" "list" "patch" "update" "watch")) }}
{{- end }}
{{- $_ := set $role "rules" $rules }}
{{- end }}
