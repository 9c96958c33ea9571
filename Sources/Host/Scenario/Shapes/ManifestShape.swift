import ScenarioReading
import Shapes

/// The shapes of Kubernetes manifests. Fields that place, name and label pods are read. Most other fields of the
/// objects are known by name and accepted. Fields that would place pods differently are refused, because nothing acts
/// on them. A lab with a control plane has other rules: what an object must be there, its API server knows.
enum ManifestShape {
    static let replicaLimit = 500

    /// Which objects manifests may give.
    enum Rules: Sendable {
        /// Those that a lab without a control plane acts on.
        case own
        /// Any object, as an API server takes it.
        case served
        /// What either of them takes: for schemas, which do not know the lab.
        case either
    }

    /// Manifests, or a file of them.
    static func manifests(_ rules: Rules) -> Variants {
        switch rules {
        case .own: return workload
        case .served:
            var variants = Variants(
                name: "manifest", key: "kind", objects: [(listKind, listOfAny)], otherwise: workload.otherwise)
            variants.unknown = any
            return variants
        case .either:
            var variants = workload.opened
            variants.unknown = any
            return variants
        }
    }

    private static let workload = Variants(
        name: "workload", key: "kind", objects: single + [(listKind, list)],
        otherwise: ObjectShape(
            name: "workload", help: "Manifests from a file, one or more documents.",
            fields: [Field("file", .text(.nonEmpty), required: true, "Path, relative to the scenario's file.")]))

    /// Any object that an API server may know. It has the words for what is wrong with the rest.
    private static let any: ObjectShape = {
        var metadata = ObjectShape(
            name: "metadata of any object", help: "Object metadata.",
            fields: [
                Field("name", .text(.nonEmpty), required: true, "Name."),
                Field("namespace", .text(.dnsLabel), "Namespace; default."),
                Field("labels", .map(.any, .text()), "Labels."),
                Field("annotations", .map(.any, .text()), "Annotations."),
            ])
        metadata.isOpen = true
        var object = ObjectShape(
            name: "object", help: "An object of any kind, for a lab with a control plane.",
            fields: [
                Field("apiVersion", .text(.nonEmpty), required: true, "Group and version."),
                Field("kind", .text(.nonEmpty), required: true, "Kind."),
                Field("metadata", .object(metadata), required: true, "Object metadata."),
            ])
        object.isOpen = true
        return object
    }()

    private static let listOfAny: ObjectShape = {
        var item = Variants(name: "item", key: "kind", objects: [])
        item.unknown = any
        return ObjectShape(
            name: listKind, help: "Several manifests in one.",
            fields: [
                Field("apiVersion", .text(), required: true, constant: "v1", "API version."),
                Field("kind", .text(), required: true, constant: listKind, "Kind."),
                accepted("metadata"),
                Field("items", .list(.variants(item), atLeast: 0), required: true, "The manifests."),
            ])
    }()

    /// One object each.
    private static let single: [(key: String, shape: ObjectShape)] =
        [
            (Workload.Kind.pod.rawValue, pod), (Workload.Kind.deployment.rawValue, deployment),
            (Workload.Kind.daemonSet.rawValue, daemonSet),
        ] + ObjectShapes.all

    /// The kind of a manifest that holds others, as `kubectl get -o yaml` prints several objects.
    static let listKind = "List"

    private static let list = ObjectShape(
        name: listKind, help: "Several manifests in one.",
        fields: [
            Field("apiVersion", .text(), required: true, constant: "v1", "API version."),
            Field("kind", .text(), required: true, constant: listKind, "Kind."),
            accepted("metadata"),
            Field(
                "items", .list(.variants(Variants(name: "item", key: "kind", objects: single)), atLeast: 0),
                required: true, "The manifests."),
        ])

    private static func header(_ version: String, _ kind: Workload.Kind) -> [Field] {
        [
            Field("apiVersion", .text(), required: true, constant: version, "API version."),
            Field("kind", .text(), required: true, constant: kind.rawValue, "Kind."),
            Field("metadata", .object(objectMeta(nameRequired: true)), required: true, "Object metadata."),
        ]
    }

    static func objectMeta(nameRequired: Bool) -> ObjectShape {
        ObjectShape(
            name: "metadata", help: "Object metadata.",
            fields: [
                Field("name", .text(.dnsLabel), required: nameRequired, "Name."),
                Field("namespace", .text(.dnsLabel), "Namespace; default."),
                Field("labels", .map(.any, .text()), "Labels."),
                Field("annotations", .map(.any, .text()), "Accepted."),
            ])
    }

    static let pod = ObjectShape(
        name: "Pod", help: "A pod.",
        fields: header("v1", .pod) + [Field("spec", .object(podSpec(template: false)), "What runs, and where.")])

    static let deployment = ObjectShape(
        name: "Deployment", help: "Pods named NAME-1 … NAME-N, dealt out to the nodes in turn.",
        fields: header("apps/v1", .deployment) + [
            Field(
                "spec",
                .object(
                    ObjectShape(
                        name: "Deployment's spec", help: "Size and template.",
                        fields: [Field("replicas", .integer(0...replicaLimit), "Pods; 1.")] + workloadFields
                            + ["minReadySeconds", "paused", "progressDeadlineSeconds", "strategy"].map(accepted))),
                required: true, "Size and template.")
        ])

    static let daemonSet = ObjectShape(
        name: "DaemonSet", help: "A pod on every node, named NAME-NODE.",
        fields: header("apps/v1", .daemonSet) + [
            Field(
                "spec",
                .object(
                    ObjectShape(
                        name: "DaemonSet's spec", help: "Template.",
                        fields: workloadFields + ["minReadySeconds", "updateStrategy"].map(accepted))),
                required: true, "Template.")
        ])

    private static let workloadFields = [
        Field("selector", .object(selector), "Label selector; its labels must be the template's."),
        Field(
            "template",
            .object(
                ObjectShape(
                    name: "template", help: "Pod template.",
                    fields: [
                        Field("metadata", .object(objectMeta(nameRequired: false)), "Labels of the pods."),
                        Field("spec", .object(podSpec(template: true)), "What runs."),
                    ])), required: true, "Pod template."),
        accepted("revisionHistoryLimit"),
    ]

    private static let selector = ObjectShape(
        name: "selector", help: "Label selector.",
        fields: [Field("matchLabels", .map(.any, .text()), required: true, "Labels.")])

    private static func podSpec(template: Bool) -> ObjectShape {
        let placed = template ? [] : [Field("nodeName", .text(.nonEmpty), "Node; the least loaded when left out.")]
        return ObjectShape(
            name: "pod's spec", help: "What runs, and where.",
            fields: placed + [
                Field(
                    "containers", .list(.object(container), atLeast: 1),
                    "Programs, or names with a port that answers probes."),
                Field(
                    "restartPolicy", .choice(["Always", "OnFailure", "Never"]),
                    "When an ended program is started again; Always."),
            ]
                + [
                    "activeDeadlineSeconds", "automountServiceAccountToken", "dnsConfig", "dnsPolicy",
                    "enableServiceLinks", "hostAliases", "hostname", "imagePullSecrets", "initContainers",
                    "preemptionPolicy", "priority", "priorityClassName", "readinessGates",
                    "securityContext", "serviceAccount", "serviceAccountName", "setHostnameAsFQDN", "subdomain",
                    "terminationGracePeriodSeconds", "volumes",
                ].map(accepted),
            refused: refusedPodFields)
    }

    /// Fields of a pod's spec that Kubernetes knows and that would change where the pod is or what its network is.
    static let refusedPodFields = [
        "affinity", "hostIPC", "hostNetwork", "hostPID", "nodeSelector", "os", "overhead", "runtimeClassName",
        "schedulerName", "tolerations", "topologySpreadConstraints",
    ]

    private static let container = ObjectShape(
        name: "container",
        help: "A container: a program of the userland disk, or only a port that answers TCP and UDP echo.",
        fields: [
            Field("name", .text(.dnsLabel), required: true, "Name."),
            Field(
                "ports", .list(.object(port), atLeast: 0),
                "A program's own; without a program, the first one answers echo, 8080 when none is given."),
            Field(
                "image", .text(.nonEmpty),
                "Without a command, stands for one when its last part is "
                    + ContainerImages.table.map(\.name).joined(separator: ", ") + "."),
            Field("command", .list(.text(), atLeast: 0), "Program and first arguments, in place of the image's."),
            Field("args", .list(.text(), atLeast: 0), "Arguments."),
            Field("env", .list(.object(variable), atLeast: 0), "Environment."),
        ]
            + [
                "envFrom", "imagePullPolicy", "lifecycle", "livenessProbe",
                "readinessProbe", "resources", "securityContext", "startupProbe", "stdin", "terminationMessagePath",
                "tty", "volumeMounts", "workingDir",
            ].map(accepted))

    private static let variable = ObjectShape(
        name: "env", help: "A variable.",
        fields: [
            Field("name", .text(.nonEmpty), required: true, "Name."), Field("value", .text(), "Value; empty."),
            accepted("valueFrom"),
        ])

    private static let port = ObjectShape(
        name: "port", help: "A port.",
        fields: [
            Field("containerPort", .integer(1...65535), required: true, "Number."),
            Field("name", .text(.portName), "Name, by which services and policies may call it."),
            Field("protocol", .choice(["TCP", "UDP"]), "TCP; both are answered."),
            Field("hostPort", .integer(1...65535), "Port of the node that leads to it."),
            Field("hostIP", .text(.address), "Address of the node; all when left out."),
        ])

    private static func accepted(_ name: String) -> Field { Field(name, .any, "Accepted, not acted on.") }
}
