import JSON
import Scenario

/// The DaemonSet whose pods are the datapath's agents, in a lab with `datapath: {install: daemonset}`, in the shape of
/// the upstream's chart as far as it decides where and how an agent runs.
enum AgentDaemonSet {
    static let namespace = "kube-system"
    static let name = "labrun-datapath"
    private static let tokenFolder = "/var/run/secrets/labrun.dev/datapathd"
    /// Where an agent finds its token, which the kubelet renews there.
    static let tokenFile = tokenFolder + "/token"
    private static let labels = JSONValue.object(["k8s-app": .string(name)])

    /// The DaemonSet. Its service account is made before (`LabAccounts`).
    static func manifest(_ installation: DatapathInstallation) -> ServedManifest {
        let set = JSONValue.object([
            "apiVersion": .string("apps/v1"), "kind": .string("DaemonSet"),
            "metadata": .object(["namespace": .string(namespace), "name": .string(name), "labels": labels]),
            "spec": .object([
                "selector": .object(["matchLabels": labels]),
                "updateStrategy": .object([
                    "type": .string("RollingUpdate"), "rollingUpdate": .object(["maxUnavailable": .integer(2)]),
                ]),
                "template": .object([
                    "metadata": .object(["labels": labels]), "spec": .object(podSpec(installation.placement)),
                ]),
            ]),
        ])
        return ServedManifest(
            apiVersion: "apps/v1", kind: "DaemonSet", namespace: namespace, name: name, text: set.canonicalText,
            place: "labrun")
    }

    private static func podSpec(_ placement: [String: JSONValue]) -> [String: JSONValue] {
        let spec: [String: JSONValue] = [
            "hostNetwork": .bool(true), "priorityClassName": .string("system-node-critical"),
            "serviceAccountName": .string(LabAccounts.agent), "automountServiceAccountToken": .bool(false),
            "terminationGracePeriodSeconds": .integer(10),
            "tolerations": .array([.object(["operator": .string("Exists")])]),
            "containers": .array([
                .object([
                    "name": .string("agent"), "image": .string("labrun/datapathd"),
                    "imagePullPolicy": .string("IfNotPresent"),
                    "securityContext": .object(["privileged": .bool(true)]),
                    // The agent's programs are verified by the kernel first, which an emulated node takes long for.
                    "startupProbe": probe(period: 2, failures: 105), "readinessProbe": probe(period: 30, failures: 3),
                    "livenessProbe": probe(period: 30, failures: 10),
                    "volumeMounts": .array([
                        .object([
                            "name": .string("token"), "mountPath": .string(tokenFolder), "readOnly": .bool(true),
                        ])
                    ]),
                ])
            ]),
            "volumes": .array([
                .object([
                    "name": .string("token"),
                    "projected": .object([
                        "sources": .array([
                            .object([
                                "serviceAccountToken": .object([
                                    "path": .string("token"), "expirationSeconds": .integer(3600),
                                ])
                            ])
                        ])
                    ]),
                ])
            ]),
        ]
        return spec.merging(placement) { $1 }
    }

    private static func probe(period: Int64, failures: Int64) -> JSONValue {
        .object([
            "exec": .object([
                "command": .array(["datapathd", "status", "--brief"].map { .string($0) })
            ]), "periodSeconds": .integer(period), "timeoutSeconds": .integer(5),
            "failureThreshold": .integer(failures),
        ])
    }

    /// Whether a pod is one of the agents'.
    static func isAgent(_ pod: ServedPod) -> Bool {
        pod.pod.metadata.namespace == namespace
            && pod.controller == ServedPod.Controller(kind: "DaemonSet", name: name)
    }
}
