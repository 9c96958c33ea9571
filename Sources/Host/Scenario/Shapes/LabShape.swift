import ScenarioReading
import Shapes

/// Shapes of lab profiles: `kind: Lab`.
enum LabShape {
    static let nodeCounts = 1...LabProfile.mostNodes
    static let memory = 96...16384
    /// Series of the node image's kernels.
    static let kernels = ["5.10", "6.1", "6.12", "7.2"]
    /// Names of security groups, their rules and the cloud's hosts. The fabric writes two of them and a slash into the
    /// comment of an nftables rule, which has at most 128 bytes.
    static let fabricName = TextRule.label(upTo: LabProfile.longestFabricName)
    /// A node's name is the prefix and a number of at most two digits. It is the node's host name, a DNS label.
    static let nodePrefix = TextRule.label(upTo: 61)
    /// Host part of the first node's address: `10.0.0.11`.
    static let firstNodeOffset = 11

    static let document = ObjectShape(
        name: "lab", help: "A lab profile: what cloud and cluster the nodes believe to be in.",
        fields: headerFields(kind: "Lab") + [
            Field("metadata", .object(ScenarioShape.metadata), required: true, "What the profile is called."),
            Field("spec", .object(spec), required: true, "What it is made of."),
        ])

    private static let spec = ObjectShape(
        name: "spec", help: "Networks, nodes, security groups and datapath options.",
        fields: [
            Field("vpc", .object(vpc), required: true, "The cloud's network."),
            Field("nodes", .object(nodes), required: true, "The nodes."),
            Field("pods", .object(pods), required: true, "The pods' network."),
            Field("services", .object(services), "The services' network."),
            Field("kubeProxy", .object(kubeProxy), "Whether kube-proxy runs; it does not when left out."),
            Field(
                "controlPlane", .object(ControlPlaneShape.layout),
                "Whether the lab has Kubernetes' own servers; it has not when left out."),
            Field("images", .text(.nonEmpty), "Path of an images.yaml beside this file: what images stand for."),
            Field("securityGroups", .list(.object(group), atLeast: 1), required: true, "Firewalls of interfaces."),
            Field(
                "datapath", .object(ScenarioShape.datapath(isWhole: true)), required: true,
                "Options of the datapath agent."),
        ])

    private static let vpc = ObjectShape(
        name: "vpc", help: "The cloud's network.",
        fields: [
            Field("cidr", .text(.cidr), required: true, "Addresses of the VPC."),
            Field("subnet", .text(.cidr), required: true, "The nodes' subnet; its first address is the gateway."),
        ] + CloudShape.vpcFields)

    private static let nodes = ObjectShape(
        name: "nodes", help: "The nodes.",
        fields: [
            Field("count", .integer(nodeCounts), required: true, "How many."),
            NodeShape.later,
            Field("prefix", .text(nodePrefix), "Their names are this and a number; node."),
            Field("kernel", .choice(kernels), required: true, "Kernel series."),
            Field("memoryMiB", .integer(memory), required: true, "Memory of each."), NodeShape.kubelet,
            Field("securityGroups", .oneOrMore(.text(.nonEmpty)), required: true, "Groups of their interfaces."),
            Field("sourceDestinationCheck", .flag, "Whether only their own addresses may leave and enter; true."),
        ] + NodeShape.traitFields + CloudShape.nodeFields)

    private static let pods = ObjectShape(
        name: "pods", help: "The pods' network.",
        fields: [
            Field("cidr", .text(.cidr), required: true, "Addresses of all pods."),
            Field(
                "maskSize", .integer(8...LabProfile.longestPodMask), required: true,
                "Prefix length of a node's share."),
            Field("writesPodCIDR", .flag, "Whether Node objects get their share as spec.podCIDR; true."),
        ])

    private static let services = ObjectShape(
        name: "services", help: "The services' network.",
        fields: [Field("cidr", .text(.cidr), required: true, "Addresses of services; 10.100.0.0/16.")])

    static let kubeProxy = ObjectShape(
        name: "kubeProxy", help: "kube-proxy on every node: its rules in the kernel's iptables, kept up to date.",
        fields: [
            Field("enabled", .flag, required: true, "Whether it runs."),
            Field(
                "mode", .choice(LabProfile.KubeProxy.modes), "The mode. iptables is the only one."
            ),
        ])

    private static let group = ObjectShape(
        name: "security group", help: "Stateful; what no rule allows is denied, in both directions.",
        fields: [
            Field("name", .text(fabricName), required: true, "Name."),
            Field("rules", .list(.object(rule), atLeast: 0), required: true, "What is allowed."),
        ])

    private static let rule = ObjectShape(
        name: "security group rule", help: "What is allowed.",
        fields: [
            Field("name", .text(fabricName), required: true, "Name by which a fault removes it."),
            Field("direction", .choice(["ingress", "egress"]), required: true, "Direction, from the interface."),
            Field("protocol", .choice(["tcp", "udp", "icmp", "all"]), required: true, "Protocol."),
            Field("ports", .ports, "Destination ports; all when left out. tcp and udp only."),
            Field("peer", .text(.nonEmpty), required: true, "self, any, a group's name or a network."),
        ])
}
