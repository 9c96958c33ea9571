import CloudAPI
import NetAddress
import ScenarioReading
import Shapes

/// Shapes of what a lab's cloud has besides nodes and their first subnet.
enum CloudShape {
    static let vpcFields = [
        Field("subnets", .list(.object(subnet), atLeast: 0), "Subnets besides the nodes' first one."),
        Field("hosts", .list(.object(host), atLeast: 0), "Hosts that are no nodes: endpoints vpc/NAME."),
        Field("routes", .list(.object(route), atLeast: 0), "Routes of the VPC's route table to nodes' interfaces."),
        Field("internetGateway", .flag, "Whether nodes have public addresses and reach the internet; true."),
        Field("dns", .object(dns), "What the VPC's resolver knows besides nodes and hosts."),
    ]

    static let nodeFields = [
        Field("networkInterfaces", .list(.object(interface), atLeast: 0), "Interfaces besides eth0."),
        instanceType, cloudPlugin,
    ]

    static let instanceTypes = InstanceLimits.byType.keys.sorted()
    static let instanceType = Field(
        "instanceType", .choice(instanceTypes), "How many interfaces and addresses a node may have; m5.large.")

    static let cloudPlugin = Field(
        "cloudPlugin", .choice(LabProfile.CloudPlugin.allCases.map(\.rawValue)),
        "CNI plugin that the cloud brings along, as network cloud: ptp (a veth), network-interface (a card); none.")

    private static let subnet = ObjectShape(
        name: "subnet", help: "A subnet of the VPC.",
        fields: [
            Field("name", .text(.dnsLabel), required: true, "Name; nodes is the nodes' first one."),
            Field("cidr", .text(.cidr), required: true, "Addresses; the first one is the gateway."),
            Field("routed", .flag, "false: the VPC's router is not in it, only interfaces in it reach it; true."),
        ])

    private static let host = ObjectShape(
        name: "host", help: "A host of the VPC that is no node, such as a database.",
        fields: [
            Field("name", .text(LabShape.fabricName), required: true, "Name; NAME.internal for the resolver."),
            Field("subnet", .text(.dnsLabel), "A subnet's name; nodes."),
            Field("address", .text(address), required: true, "Its address in the subnet."),
        ])

    private static let route = ObjectShape(
        name: "route", help: "A route of the VPC's route table.",
        fields: [
            Field("destination", .text(.cidr), required: true, "Network outside the VPC, such as a node's pods."),
            Field("target", .text(.nonEmpty), required: true, "node1, or node1/eth1."),
        ])

    private static let dns = ObjectShape(
        name: "dns", help: "The VPC's resolver.",
        fields: [
            Field(
                "records", .map(domainName, .oneOrMore(.text(address))),
                "Addresses of names, *.NAME of all below; example.com, *.any.example.com, one.one.one.one when "
                    + "left out.")
        ])

    private static let interface = ObjectShape(
        name: "network interface", help: "A further interface of every node.",
        fields: [
            Field("name", .choice((1...7).map { "eth\($0)" }), required: true, "Name in the node."),
            Field("subnet", .text(.dnsLabel), required: true, "A subnet's name."),
            Field("securityGroups", .oneOrMore(.text(.nonEmpty)), "Its groups; those of eth0."),
            Field("sourceDestinationCheck", .flag, "Whether only its own addresses may leave and enter; as eth0."),
        ])

    private static let label = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"

    /// A DNS name, or `*.` before one.
    private static let domainName = TextRule(
        pattern: "^(\\*\\.)?\(label)(\\.\(label))*$",
        expected: "a name such as example.com, or *.example.com for all below"
    ) { text in
        let labels = (text.hasPrefix("*.") ? text.dropFirst(2) : text[...])
            .split(separator: ".", omittingEmptySubsequences: false)
        return text.utf8.allSatisfy { $0 < 128 }
            && labels.allSatisfy { TextRule.dnsLabel.accepts($0.lowercased().replacing("_", with: "a")) }
    }

    static let address = TextRule(
        pattern: "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$", expected: "an address such as 10.0.0.50"
    ) { IPv4Address($0) != nil }
}
