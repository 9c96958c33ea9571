import Matrix
import Readings

extension ScenarioShape {
    static let expectations = ObjectShape(
        name: "expect", help: "What must come true; every entry is one test case.",
        fields: [
            Field("within", .duration(0.1...600), "The time it has; 10s."),
            Field("matrix", .list(.object(rule), atLeast: 1), "Rules over all measured cells; later over earlier."),
            Field("health", .list(.object(health), atLeast: 1), "What the agents report of each other."),
            Field("wire", .list(.object(wire), atLeast: 1), "Packets on the nodes' taps."),
            Field("flowLogs", .list(.object(flowLog), atLeast: 1), "Records of the VPC flow logs."),
            Field("streams", .list(.object(stream), atLeast: 1), "Flows that ran through the step's actions."),
            Field("drops", .list(.object(drop), atLeast: 1), "Why the datapath denied cells."),
            Field("nodes", .list(.object(node), atLeast: 1), "States of nodes."),
            Field("identities", .list(.object(identity), atLeast: 1), "Which pods share an identity."),
            Field("pods", .list(.object(pods), atLeast: 1), "Pods that run, and pods that wait."),
            Field("diagnosis", .object(diagnosis), "The root cause that must be found, or none."),
        ],
        oneOf: [
            "matrix", "health", "wire", "flowLogs", "streams", "drops", "nodes", "identities", "pods", "diagnosis",
        ])

    static let rule = ObjectShape(
        name: "matrix rule", help: "What is expected of a set of cells.",
        fields: [
            Field("from", selector, required: true, "Sources."),
            Field("to", selector, required: true, "Destinations."),
            Field("where", .choice(Placement.allCases.map(\.rawValue)), "Where the two ends are."),
            Field(
                "protocol", .oneOrMore(.choice(ProbeProtocol.allCases.map(\.rawValue))),
                "All measured ones when left out."),
            Field("port", .integer(1...65535), "Destination port; any when left out."),
            Field("request", .oneOrMore(.text(.dnsLabel)), "Names of requests; any cell when left out."),
            Field("outcome", .oneOrMore(.text(outcome)), required: true, "Outcomes, any of which is right."),
            Field("source", .text(source), "The source that the receiver must have seen; else it is wrong-source."),
        ])

    static let source = TextRule(
        pattern: "^(pod|node|[0-9]{1,3}(\\.[0-9]{1,3}){3})$", expected: "pod, node or an address such as 10.0.0.11",
        names: ["pod", "node"]
    ) { SourceExpectation($0) != nil }

    static let outcome = TextRule(
        pattern: "^(open|refused|reset|timeout|not-measured|dns-failure(\\(([0-9]|1[0-5])\\))?"
            + "|unreachable(\\((0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])\\))?|loss(\\([1-9][0-9]?\\))?"
            + "|http(\\([1-5][0-9]{2}\\))?|wrong-source(\\(.+\\))?)$",
        expected: "an outcome such as open, timeout, unreachable(1) or loss(20)", names: Outcome.names
    ) { OutcomePattern($0) != nil }

    static let health = ObjectShape(
        name: "health expectation", help: "How many nodes an agent reports as reachable, itself included.",
        fields: [
            Field("from", .nodes(orNone: false), "Nodes that report; all."),
            Field("reachable", .text(.reachable), required: true, "1/3, 1/N, N/N with N = number of nodes."),
        ])

    static let wire = ObjectShape(
        name: "wire expectation", help: "Packets that must be, or must not be, on the nodes' taps.",
        fields: [
            Field("protocol", .choice(["tcp", "udp"]), required: true, "Protocol."),
            Field("port", .integer(1...65535), required: true, "Destination port, or as `side` says."),
            Field(
                "side", .choice(WireExpectation.Side.allCases.map(\.rawValue)),
                "Whose port it is; the destination's."),
            Field("leaves", .nodes(orNone: true), "Nodes that send such packets; none: no node does."),
            Field("arrives", .nodes(orNone: true), "Nodes whose interface is reached by such packets."),
            Field("present", .flag, "false: there must be no such packet at the nodes named."),
        ],
        oneOf: ["leaves", "arrives"])

    static let flowLog = ObjectShape(
        name: "flow log expectation", help: "A record that must be, or must not be, in the VPC flow logs.",
        fields: [
            Field("action", .choice(["ACCEPT", "REJECT"]), required: true, "What was done."),
            Field("protocol", .choice(["tcp", "udp", "icmp"]), required: true, "Protocol."),
            Field("port", .integer(1...65535), "Destination port; any when left out."),
            Field("nodes", .nodes(orNone: true), "Nodes whose interface has the record; all."),
            Field("present", .flag, "false: there must be no such record at the nodes named."),
        ])

    static let stream = ObjectShape(
        name: "stream expectation", help: "Flows opened before the step's actions and running through them.",
        fields: [
            Field("from", selector, required: true, "Sources."),
            Field("to", selector, required: true, "Destinations."),
            Field("where", .choice(Placement.allCases.map(\.rawValue)), "Where the two ends are."),
            Field("protocol", .oneOrMore(protocols), "All measured ones when left out."),
            Field("survive", .flag, "Whether established TCP connections must be alive at the end; true."),
            Field("maxGap", .duration(0.001...600), "Longest time without an answer that is accepted."),
        ])

    static let drop = ObjectShape(
        name: "drop expectation", help: "Denied cells, each of which must have a drop event of the agents.",
        fields: [
            Field("from", selector, required: true, "Sources."),
            Field("to", selector, required: true, "Destinations."),
            Field("where", .choice(Placement.allCases.map(\.rawValue)), "Where the two ends are."),
            Field(
                "protocol", .oneOrMore(.choice(ProbeProtocol.allCases.map(\.rawValue))),
                "All measured ones when left out."),
            Field("request", .oneOrMore(.text(.dnsLabel)), "Names of requests; any cell when left out."),
            Field("reason", .text(.nonEmpty), required: true, "Drop reason, such as policy-denied-ingress."),
            Field("rule", .text(.nonEmpty), "Part of the name of the policy or rule that decided."),
        ])

    static let node = ObjectShape(
        name: "node expectation", help: "State of nodes.",
        fields: [
            Field("nodes", .nodes(orNone: false), required: true, "Nodes."),
            Field("state", .choice(NodeExpectation.states), required: true, "Their state."),
            Field("says", .text(.nonEmpty), "What the agent's status must name among its fallbacks."),
            Field(
                "interfaceAddresses", .integer(0...1000),
                "How many addresses for pods the cloud's interfaces have, in use or not, by the agent's status."),
            Field(
                "kubeProxy", .choice(NodeExpectation.KubeProxy.allCases.map(\.rawValue)),
                "What there is of kube-proxy: neither chain nor rule nor process, or rules."),
        ])

    static let identity = ObjectShape(
        name: "identity expectation",
        help: "Pods that share one identity on all of their nodes; their endpoint ids are all different.",
        fields: [
            Field("pods", selector, required: true, "Pods that share one identity."),
            Field("apartFrom", selector, "Pods whose identities must be others."),
            Field(
                "replacedSince", .text(.dnsLabel),
                "An earlier step: the identity is the same as then, and every endpoint is another."),
        ])

    static let pods = ObjectShape(
        name: "pods expectation",
        help: "How many pods run or wait for their network. Pods that wait are asked for again.",
        fields: [
            Field("state", .choice(PodsExpectation.State.allCases.map(\.rawValue)), required: true, "Their state."),
            Field("count", .integer(0...10_000), required: true, "How many, of those selected."),
            Field("nodes", .nodes(orNone: false), "Nodes that they are on; all."),
            Field("labels", .map(.nonEmpty, .text(.nonEmpty)), "Labels that they have."),
            Field("mentions", .oneOrMore(.text(.nonEmpty)), "Texts that each waiting pod's reason must name."),
        ])

    static let diagnosis = ObjectShape(
        name: "diagnosis", help: "The root cause that the evidence must lead to.",
        fields: [
            Field("is", .text(.diagnosis), required: true, "none, unknown, or a root cause."),
            Field("mentions", .oneOrMore(.text(.nonEmpty)), "Texts that its summary or evidence must name."),
        ])
}
