// Package check holds what the chart renders against the types of Kubernetes. It is a module of its own, so that the
// bridge's has no such dependency.
package check

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// kubernetes is the version that the chart is rendered for, that of the types.
const kubernetes = "1.37.0"

// kinds are those that the chart may render.
var kinds = map[string]any{
	"v1/ConfigMap":                            corev1.ConfigMap{},
	"v1/Service":                              corev1.Service{},
	"v1/ServiceAccount":                       corev1.ServiceAccount{},
	"apps/v1/Deployment":                      appsv1.Deployment{},
	"apps/v1/StatefulSet":                     appsv1.StatefulSet{},
	"networking.k8s.io/v1/NetworkPolicy":      networkingv1.NetworkPolicy{},
	"policy/v1/PodDisruptionBudget":           policyv1.PodDisruptionBudget{},
	"monitoring.coreos.com/v1/ServiceMonitor": serviceMonitor{},
	"monitoring.coreos.com/v1/PrometheusRule": prometheusRule{},
}

// The kinds of the Prometheus operator, as far as the chart uses them: its module would bring many others along.
type (
	serviceMonitor struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
		Spec              struct {
			Selector  metav1.LabelSelector `json:"selector"`
			Endpoints []struct {
				Port, Path, Interval string
				Relabelings          []struct{ TargetLabel, Replacement string }
			}
		} `json:"spec"`
	}
	prometheusRule struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
		Spec              struct {
			Groups []struct {
				Name, Interval string
				Rules          []struct {
					Alert, Record, Expr, For string
					KeepFiringFor            string `json:"keep_firing_for"`
					Labels, Annotations      map[string]string
				}
			}
		} `json:"spec"`
	}
)

// render renders the chart with the values in file.
func render(t *testing.T, file string) []byte {
	t.Helper()
	helm, err := exec.LookPath("helm")
	switch {
	case err != nil && os.Getenv("REQUIRE_SERVICES") == "1":
		t.Fatal("helm is not on PATH, and REQUIRE_SERVICES=1")
	case err != nil:
		t.Skip("helm is not on PATH: this needs it")
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), helm, "template", "release", "..", "--kube-version", kubernetes, "--namespace", "bridges", "--values", file)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("helm template: %v\n%s", err, &errs)
	}
	return out
}

// objects decodes what was rendered, strictly: an unknown field, one that is there twice and one of another type are errors.
func objects(t *testing.T, rendered []byte) map[string]any {
	t.Helper()
	all := map[string]any{}
	for text := range bytes.SplitSeq(rendered, []byte("\n---\n")) {
		var head metav1.TypeMeta
		if err := yaml.Unmarshal(text, &head); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if head.Kind == "" {
			continue // comments alone
		}
		zero, known := kinds[head.APIVersion+"/"+head.Kind]
		if !known {
			t.Errorf("%s/%s is none of the kinds that are checked", head.APIVersion, head.Kind)
			continue
		}
		object := reflect.New(reflect.TypeOf(zero)).Interface()
		if err := yaml.UnmarshalStrict(text, object); err != nil {
			t.Errorf("%s: %v\n%s", head.Kind, err, text)
		}
		all[head.Kind] = object
	}
	return all
}

func cases(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../ci/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("the cases of the chart are not there: %v %v", files, err)
	}
	return files
}

// All that the chart renders is of the types of Kubernetes, every pod is closed as far as it goes, and what refers to
// something else by name finds it.
func TestWhatIsRenderedIsOfKubernetesTypes(t *testing.T) {
	for _, file := range cases(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			all := objects(t, render(t, file))
			var pod corev1.PodTemplateSpec
			var selector *metav1.LabelSelector
			volumes := map[string]bool{}
			if d, ok := all["Deployment"].(*appsv1.Deployment); ok {
				pod, selector = d.Spec.Template, d.Spec.Selector
			}
			if s, ok := all["StatefulSet"].(*appsv1.StatefulSet); ok {
				pod, selector = s.Spec.Template, s.Spec.Selector
				for _, claim := range s.Spec.VolumeClaimTemplates {
					volumes[claim.Name] = true
				}
				if *s.Spec.Replicas != 1 {
					t.Errorf("%d bridges with a volume each", *s.Spec.Replicas)
				}
			}
			if len(pod.Spec.Containers) != 1 {
				t.Fatal("there is no workload")
			}
			closed(t, pod.Spec)
			for _, v := range pod.Spec.Volumes {
				volumes[v.Name] = true
				if v.Projected != nil && v.Projected.Sources[0].ConfigMap.Name != all["ConfigMap"].(*corev1.ConfigMap).Name {
					t.Error("the pod mounts a ConfigMap that is not there")
				}
			}
			for _, m := range pod.Spec.Containers[0].VolumeMounts {
				if !volumes[m.Name] {
					t.Errorf("the volume %s is mounted, and is not there", m.Name)
				}
			}
			service := all["Service"].(*corev1.Service)
			selectors := []map[string]string{selector.MatchLabels, service.Spec.Selector}
			if b, ok := all["PodDisruptionBudget"].(*policyv1.PodDisruptionBudget); ok {
				selectors = append(selectors, b.Spec.Selector.MatchLabels)
			}
			if p, ok := all["NetworkPolicy"].(*networkingv1.NetworkPolicy); ok {
				selectors = append(selectors, p.Spec.PodSelector.MatchLabels)
			}
			for _, s := range selectors {
				if !selects(s, pod.Labels) {
					t.Errorf("%v does not select the pod, which has %v", s, pod.Labels)
				}
			}
			if m, ok := all["ServiceMonitor"].(*serviceMonitor); ok && !selects(m.Spec.Selector.MatchLabels, service.Labels) {
				t.Errorf("the ServiceMonitor does not select the Service")
			}
			if pod.Spec.ServiceAccountName != all["ServiceAccount"].(*corev1.ServiceAccount).Name {
				t.Error("the pod runs as an account that is not there")
			}
		})
	}
}

// closed looks at what a pod may do.
func closed(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	c := pod.Containers[0]
	for what, ok := range map[string]bool{
		"non-root":              *pod.SecurityContext.RunAsNonRoot && *pod.SecurityContext.RunAsUser != 0,
		"seccomp":               pod.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"no token":              !*pod.AutomountServiceAccountToken,
		"time to stop":          *pod.TerminationGracePeriodSeconds > 10,
		"no escalation":         !*c.SecurityContext.AllowPrivilegeEscalation,
		"read-only root":        *c.SecurityContext.ReadOnlyRootFilesystem,
		"no capabilities":       reflect.DeepEqual(c.SecurityContext.Capabilities.Drop, []corev1.Capability{"ALL"}),
		"probes":                c.LivenessProbe.HTTPGet.Path == "/healthz" && c.ReadinessProbe.HTTPGet.Path == "/readyz",
		"memory is asked for":   !c.Resources.Requests.Memory().IsZero() && !c.Resources.Limits.Memory().IsZero(),
		"no secret is variable": !strings.Contains(strings.ToLower(c.String()), "secretkeyref:&"),
	} {
		if !ok {
			t.Errorf("the pod is not as it should be: %s", what)
		}
	}
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}
