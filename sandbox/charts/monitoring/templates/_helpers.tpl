{{- define "kps.name" -}}
{{ .Values.fullnameOverride | default .Release.Name }}
{{- end }}

{{- define "kps.labels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: kube-prometheus-stack
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
release: {{ .Release.Name }}
{{- end }}

{{- /* The rules of a ClusterRole of upstream's manifests, without the Secrets that nobody counts. */ -}}
{{- define "kps.rules" -}}
{{- $root := index . 0 }}
{{- $role := index . 1 }}
{{- $rules := $root.Files.Get (printf "files/objects/clusterrole-%s.yaml" $role) | fromYaml | dig "rules" list }}
{{- $counted := (index $root.Values "kube-state-metrics").collectors }}
{{- if and (eq $role "kube-state-metrics") $counted (not (has "secrets" $counted)) }}
{{- range $rule := $rules }}
{{- $_ := set $rule "resources" (without ($rule.resources | default list) "secrets") }}
{{- end }}
{{- end }}
{{ toYaml $rules }}
{{- end }}

{{- define "kps.account" -}}
{{- $name := index . 1 }}
{{- $labels := include "kps.labels" (index . 0) }}
{{- $namespace := (index . 0).Release.Namespace }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels:
    {{- $labels | nindent 4 }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $name }}
  labels:
    {{- $labels | nindent 4 }}
rules:
  {{- include "kps.rules" (list (index . 0) (index . 2)) | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $name }}
  labels:
    {{- $labels | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ $name }}
    namespace: {{ $namespace }}
{{- end }}

{{- define "kps.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "kps.pod" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65534
  runAsGroup: 65534
  fsGroup: 65534
  seccompProfile: {type: RuntimeDefault}
nodeSelector:
  kubernetes.io/os: linux
{{- end }}
