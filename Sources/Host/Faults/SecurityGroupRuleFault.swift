import Fabric
import Lab
import Scenario

/// A rule of a security group is removed or added, for all nodes or some.
struct SecurityGroupRuleFault: Fault {
    static let descriptor = FaultDescriptor(
        kind: "security-group-rule", summary: "{action} rule {rule} of security group {group} for {nodes}",
        parameters: [
            .init("action", .choice(["remove", "add"]), required: true, help: "what is done to the rule"),
            .init("group", .text, required: true, help: "security group"),
            .init("rule", .text, help: "name of the rule; required to remove one"),
            .init("protocol", .choice(["tcp", "udp", "icmp", "all"]), help: "of an added rule"),
            .init("ports", .ports, help: "of an added rule; all when not given"),
            .init("direction", .choice(["ingress", "egress"]), help: "of an added rule, ingress when not given"),
            .init("peer", .text, help: "of an added rule: self, any, a group or a CIDR; self when not given"),
            .init("nodes", .nodes, help: "on whose interfaces; all when not given"),
        ])

    private let cluster: Cluster
    private let group: String
    private let removes: Bool
    private let rule: SecurityGroupRule
    private let selection: NodeSelection
    private let nodes: [String]

    init(_ call: FaultCall, in cluster: Cluster) throws {
        self.cluster = cluster
        let group = call.text("group") ?? ""
        self.group = group
        removes = call.text("action") == "remove"
        guard let known = cluster.plan.profile.securityGroups.first(where: { $0.name == group }) else {
            let names = cluster.plan.profile.securityGroups.map(\.name).joined(separator: ", ")
            throw FaultError(call, "no security group \(group); there is \(names)")
        }
        nodes = try call.nodes(in: cluster).map(\.name)
        selection = nodes.count == cluster.nodes.count ? .all : .only(Set(nodes))
        if call.text("action") == "remove" {
            let name = call.text("rule") ?? ""
            guard let found = known.rules.first(where: { $0.name == name }) else {
                let names = known.rules.map(\.name).joined(separator: ", ")
                throw FaultError(call, "security group \(group) has no rule \(name); it has \(names)")
            }
            rule = try cluster.plan.fabricRule(found, group: group)
        } else {
            var ports: ClosedRange<UInt16>?
            if case .ports(let range)? = call.parameters["ports"] { ports = range }
            var added = try cluster.plan.fabricRule(
                LabProfile.Rule(
                    name: call.text("rule") ?? call.id, direction: call.text("direction") ?? "ingress",
                    protocol: call.text("protocol") ?? "all", ports: ports, peer: call.text("peer") ?? "self"),
                group: group)
            added.nodes = selection
            rule = added
        }
    }

    var targets: [String] { nodes.map { "\(group)/\(rule.name) at \($0)" } }
    var claims: Set<String> { Set(nodes.map { "security group rule \(group)/\(rule.name) at \($0)" }) }

    func inject() async throws {
        let before = try await inForce(!removes)
        guard !before.holds else {
            throw FaultError(
                id: group, location: rule.name, message: "the rule is \(removes ? "gone" : "there") already")
        }
        if removes {
            try await cluster.fabric.removeRule(group: group, rule: rule.name, nodes: selection)
        } else {
            try await cluster.fabric.addRule(rule, to: group)
        }
    }

    func effect() async throws -> Proof { try await inForce(!removes) }

    func heal() async throws {
        if removes {
            var restored = rule
            restored.nodes = selection
            try await cluster.fabric.addRule(restored, to: group)
        } else {
            try await cluster.fabric.removeRule(group: group, rule: rule.name, nodes: selection)
        }
    }

    func gone() async throws -> Proof { try await inForce(removes) }

    /// Reads the rules back from the kernel.
    private func inForce(_ wanted: Bool) async throws -> Proof {
        let states = try await cluster.fabric.ruleState()
        var lines: [String] = []
        var holds = true
        for node in nodes {
            let present = states.contains { $0.node == node && $0.group == group && $0.rule == rule.name }
            holds = holds && present == wanted
            lines.append(
                "nftables \(present ? "has" : "has no") rule \(group)/\(rule.name) for the interface of \(node)")
        }
        return Proof(holds, lines)
    }
}
