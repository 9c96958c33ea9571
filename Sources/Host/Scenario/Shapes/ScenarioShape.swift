import Expectations
import Readings
import ScenarioReading
import Shapes

/// `apiVersion` of every file of this version.
public let scenarioAPIVersion = "labrun.dev/v1alpha1"

/// Shapes of scenario files, for the faults and the kinds of expectations that there are.
struct ScenarioShape {
    let faults: [FaultDescriptor]
    var expectations: [any Expectation.Type] = ExpectationCatalogue.kinds
    /// What manifests may be. The lab decides it.
    var manifests = ManifestShape.Rules.either

    var document: ObjectShape {
        ObjectShape(
            name: "scenario", help: "A scenario: a lab, what runs in it, and a timeline of faults and expectations.",
            fields: headerFields(kind: "Scenario") + [
                Field("metadata", .object(Self.metadata), required: true, "What the scenario is called."),
                Field("spec", .object(spec), required: true, "What it does."),
            ])
    }

    static let metadata = ObjectShape(
        name: "metadata", help: "Name and description.",
        fields: [
            Field("name", .text(.dnsLabel), required: true, "Name; the file is called so too."),
            Field("title", .text(.nonEmpty), required: true, "One line for people."),
            Field("description", .text(), "What it shows and why, in Markdown."),
            Field("labels", .map(.any, .text()), "Labels for selecting scenarios and for reports."),
        ])

    var spec: ObjectShape {
        ObjectShape(
            name: "spec", help: "Lab, workloads, probes and timeline.",
            fields: [
                Field("lab", .text(.nonEmpty), required: true, "A lab profile's name, or the path of its file."),
                Field("overrides", .object(Self.overrides), "Changes to the lab profile."),
                Field(
                    "workloads", .list(.variants(ManifestShape.manifests(manifests)), atLeast: 0),
                    "What runs from the start; any object in a lab with a control plane."),
                Field("probes", .object(Self.probes), "Which pairs are measured, and how."),
                Field("timeline", .list(.object(step), atLeast: 1), required: true, "Steps, in order."),
            ])
    }

    static let overrides = ObjectShape(
        name: "overrides", help: "Changes to the lab profile; `--set` takes the same paths.",
        fields: [
            Field("nodes", .object(nodeOverrides), "Number and kind of the nodes."),
            Field("kubeProxy", .object(LabShape.kubeProxy), "Whether kube-proxy runs."),
            Field(
                "controlPlane", .object(ControlPlaneShape.overrides), "Whether the lab has Kubernetes' own servers."),
            Field("images", .text(.nonEmpty), "Path of an images.yaml beside this file: what images stand for."),
            Field("datapath", .object(datapath(isWhole: false)), "Options of the datapath agent."),
        ])

    static let nodeOverrides = ObjectShape(
        name: "nodes", help: "Number and kind of the nodes.",
        fields: [
            Field("count", .integer(LabShape.nodeCounts), "How many nodes."), NodeShape.later,
            Field("kernel", .choice(LabShape.kernels), "Kernel series."),
            Field("memoryMiB", .integer(LabShape.memory), "Memory of a node."), NodeShape.kubelet,
            CloudShape.instanceType, CloudShape.cloudPlugin,
        ] + NodeShape.traitFields)

    /// - Parameter isWhole: Whether it is a lab's, and no change of one.
    static func datapath(isWhole: Bool) -> ObjectShape {
        ObjectShape(
            name: isWhole ? "datapath" : "datapath of a scenario", help: "Options of the datapath agent.",
            fields: [
                Field("values", .tree, required: isWhole, "By their Helm names, nested or dotted."),
                Field(
                    "install", .choice(DatapathInstallation.Kind.allCases.map(\.rawValue)),
                    "Whether the node starts the agent, or a DaemonSet's pod is it; process."),
                Field("daemonSet", .object(daemonSet), "Where the pods of the DaemonSet run; on every node."),
            ])
    }

    private static let daemonSet = ObjectShape(
        name: "daemonSet", help: "Fields of a pod's spec, in place of those of kube-system/labrun-datapath.",
        fields: [
            Field("nodeSelector", .map(.any, .text()), "Labels that a node must have."),
            Field("affinity", .any, "Affinity, as in a pod's spec."),
            Field("tolerations", .any, "Tolerations; all taints are tolerated when left out."),
        ])

    static let probes = ObjectShape(
        name: "probes", help: "Which pairs are measured, and how.",
        fields: [
            Field("pairs", .list(.object(pair), atLeast: 1), "Who is probed from whom; pods → pods, nodes → nodes."),
            Field("protocols", .oneOrMore(.echoedProtocols), "All of tcp, udp and icmp when left out."),
            Field("deadline", .duration(0.05...60), "How long an answer may take; 1s."),
            Field("count", .integer(1...1000), "Packets of UDP and ICMP a cell; 1."),
            Field("requests", .list(.object(RequestShape.request), atLeast: 1), "Probes that say something."),
        ])

    static let pair = ObjectShape(
        name: "probe pair", help: "Every source that `from` selects is probed against every other that `to` selects.",
        fields: [
            .from, .to,
        ])

    var step: ObjectShape {
        ObjectShape(
            name: "step", help: "Actions in the order given, then what is expected.",
            fields: [
                Field("name", .text(.dnsLabel), required: true, "Name, unique in the timeline."),
                Field("title", .text(.nonEmpty), "One line for people; the name when left out."),
                Field("inject", .oneOrMore(.variants(faultCall)), "Faults to start."),
                Field("heal", .oneOrMore(.text(.nonEmpty)), "Ids of faults to end."),
                Field(
                    "apply", .oneOrMore(.variants(ManifestShape.manifests(manifests))),
                    "Workloads and objects to create or change."),
                Field("delete", .oneOrMore(.object(deletion)), "Workloads and objects to delete."),
                Field(
                    "set", .tree,
                    "Values to change in the running lab: datapath.values.NAME, nodes.instanceType, "
                        + "kubeProxy.enabled."),
                Field("scale", .oneOrMore(.object(scale)), "Deployments to scale."),
                Field("join", .nodes(orNone: false), "Nodes to power on, of those that are not there (all)."),
                Field("leave", .nodes(orNone: false), "Nodes to power off and to remove from the cluster."),
                Field("wait", .oneOrMore(.object(Self.wait)), "Conditions to wait for."),
                Field(
                    "expect", .object(Expectations.shape(of: expectations)), "What must come true after the actions."),
            ])
    }

    private var deletion: ObjectShape {
        let kinds = Workload.Kind.allCases.map(\.rawValue) + ObjectShapes.kinds.map(\.manifestKind)
        let isOwn = manifests == .own
        return ObjectShape(
            name: "deletion", help: "A workload or an object to delete.",
            fields: [
                Field("kind", isOwn ? .choice(kinds) : .text(.nonEmpty), required: true, "Its kind."),
                Field("namespace", .text(.dnsLabel), "Its namespace; default."),
                Field("name", .text(isOwn ? .dnsLabel : .nonEmpty), required: true, "Its name."),
            ]
                + (isOwn
                    ? []
                    : [
                        Field(
                            "apiVersion", .text(.nonEmpty),
                            "Its group and version, in a lab with a control plane; what its server prefers.")
                    ]))
    }

    private var scale: ObjectShape {
        let size = [
            Field("namespace", .text(.dnsLabel), "Its namespace; default."),
            Field("replicas", .integer(0...ManifestShape.replicaLimit), required: true, "Pods it shall have."),
        ]
        guard manifests != .own else {
            return ObjectShape(
                name: "scale", help: "A deployment's new size.",
                fields: [Field("deployment", .text(.dnsLabel), required: true, "Its name.")] + size)
        }
        return ObjectShape(
            name: "scale", help: "A workload's new size.",
            fields: [
                Field("deployment", .text(.dnsLabel), "A deployment's name."),
                Field("kind", .text(.nonEmpty), "Its kind, in a lab with a control plane; Deployment."),
                Field("name", .text(.nonEmpty), "Its name, with a kind."),
            ] + size, oneOf: ["deployment", "name"])
    }

    static let wait = ObjectShape(
        name: "wait", help: "A condition; never a time alone.",
        fields: [
            Field("for", .choice(WaitCondition.Subject.allCases.map(\.rawValue)), required: true, "What must hold."),
            Field("within", .duration(0.1...600), "The time it has; 30s."),
        ])

    private var faultCall: Variants {
        Variants(
            name: "fault", key: "fault",
            objects: faults.map { descriptor in
                let parameters = descriptor.parameters.map { parameter in
                    Field(parameter.name, parameter.type.shape, required: parameter.isRequired, parameter.help)
                }
                let own = [
                    Field("fault", .text(.nonEmpty), required: true, constant: descriptor.kind, descriptor.summary),
                    Field("id", .text(.dnsLabel), "Id that `heal` names; the fault's kind when left out."),
                ]
                return (
                    descriptor.kind,
                    ObjectShape(
                        name: "fault \(descriptor.kind)", help: descriptor.summary, fields: own + parameters)
                )
            })
    }
}

func headerFields(kind: String) -> [Field] {
    [
        Field("apiVersion", .text(), required: true, constant: scenarioAPIVersion, "Version of the format."),
        Field("kind", .text(), required: true, constant: kind, "What the file is."),
    ]
}
