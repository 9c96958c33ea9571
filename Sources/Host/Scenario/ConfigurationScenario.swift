import Matrix
import ScenarioReading

/// The scenario that compares datapath configurations with their model. It has a step for each, in one lab whose agents
/// are started again with the next step's values. Every step expects, for every class of cells, the outcome and the
/// source that `DatapathConfiguration.expectation` gives, and for every denied class the drop event with its rule.
public struct ConfigurationScenario: Sendable {
    public let rows: [DatapathConfiguration]
    /// The scenario's name, which is also the name of its file.
    public let name: String
    /// The names of the lab's nodes: `node1`, …
    private let nodes: [String]

    /// - Parameters:
    ///   - rows: Configurations of one routing mode. The lab starts with the first one.
    ///   - nodes: The number of nodes, 2 … 9.
    public init(rows: [DatapathConfiguration], name: String? = nil, nodes: Int = 2) {
        self.rows = rows
        self.name = name ?? "matrix-\(rows.first?.routing.rawValue ?? "")"
        self.nodes = (1...nodes).map { "node\($0)" }
    }

    private var routing: DatapathConfiguration.Routing { rows.first?.routing ?? .vxlan }

    /// The name that the scenario gives to its lab's file, which is beside it.
    public var labFile: String { "\(name)-lab.yaml" }

    // MARK: Lab

    /// The lab's file: a cloud as the routing mode needs it (`DatapathConfiguration.expectation`).
    public var lab: String {
        // The VPC carries pods' addresses and has routes back to them.
        let isNative = routing == .native
        let routes = nodes.indices.map { "{destination: 192.168.\($0 + 1).0/24, target: \(nodes[$0])}" }
        let values = rows.first?.values.sorted { $0.key < $1.key }.map { "      \($0.key): \($0.value)" } ?? []
        return """
            apiVersion: labrun.dev/v1alpha1
            kind: Lab
            metadata: {name: \(name)-lab, title: A cloud for \(routing.rawValue)}
            spec:
              vpc:
                cidr: 10.0.0.0/16
                subnet: 10.0.0.0/24
                hosts: [{name: database, address: 10.0.0.200}]
                routes: [\(isNative ? routes.joined(separator: ", ") : "")]
              nodes:
                count: \(nodes.count)
                prefix: node
                kernel: "6.1"
                memoryMiB: 192
                instanceType: t3.medium
                securityGroups: [nodes]
                sourceDestinationCheck: \(!isNative)
              pods: {cidr: \(routing == .eni ? "10.0.0.0/16" : "192.168.0.0/16"), maskSize: 24}
              services: {cidr: 10.100.0.0/16}
              securityGroups:
                - name: nodes
                  rules:
                    - {name: members, direction: ingress, protocol: all, peer: \(isNative ? "any" : "self")}
                    - {name: egress, direction: egress, protocol: all, peer: any}
              datapath:
                values:
            \(values.map { "      " + $0 }.joined(separator: "\n"))

            """
    }

    // MARK: Scenario

    /// The scenario's file. Its parser checks whether the lab does all that it asks for.
    public var text: String {
        let pairs = ["pod", "node"].flatMap { from in
            ["pod", "node", "service", "vpc-host", "vpc-dns", "internet"].map {
                "      - {from: {kind: \(from)}, to: {kind: \($0)}}"
            }
        }
        return """
            apiVersion: labrun.dev/v1alpha1
            kind: Scenario
            metadata:
              name: \(name)
              title: Who reaches whom with \(routing.rawValue)
              labels: {family: matrix}
            spec:
              lab: \(labFile)
              workloads:
            \(workloads)
              probes:
                pairs:
            \(pairs.joined(separator: "\n"))
              timeline:
            \(rows.indices.map(step).joined(separator: "\n"))

            """
    }

    private func step(_ index: Int) -> String {
        let row = rows[index]
        let before = index == 0 ? nil : rows[index - 1]
        var lines = ["- name: \(row)"]
        if let before, before.policy != row.policy, row.policy == .none {
            lines.append("  delete: [{kind: NetworkPolicy, name: \(Self.policy)}]")
        }
        let changes = row.values.filter { (before?.values ?? row.values)[$0.key] != $0.value }
        if !changes.isEmpty {
            let words = changes.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            let others = before?.services == row.services ? "" : ", kubeProxy: {enabled: \(row.services == .kubeProxy)}"
            lines.append("  set: {datapath: {values: {\(words.joined(separator: ", "))}}\(others)}")
        }
        if row.policy == .defaultDeny, before?.policy != row.policy {
            lines += [
                "  apply:", "    - apiVersion: networking.k8s.io/v1", "      kind: NetworkPolicy",
                "      metadata: {name: \(Self.policy)}",
                "      spec: {podSelector: {}, policyTypes: [Ingress, Egress]}",
            ]
        }
        let rules = self.rules
        lines += ["  expect:", "    within: 20s", "    health: [{from: all, reachable: N/N}]", "    matrix:"]
        lines += rules.map { line($0, row) }
        let drops = rules.compactMap { drop($0, row) }
        if !drops.isEmpty { lines += ["    drops:"] + drops }
        return lines.map { "    " + $0 }.joined(separator: "\n")
    }

    private static let policy = "default-deny"

    private var workloads: String {
        let backends = nodes.enumerated().map { index, node in
            """
                - apiVersion: v1
                  kind: Pod
                  metadata: {name: web-\(node), labels: {app: web, backend: \(node)}}
                  spec: {nodeName: \(node), containers: [{name: echo}]}
                - apiVersion: v1
                  kind: Service
                  metadata: {name: web-\(node), labels: {backend: \(node)}}
                  spec:
                    type: NodePort
                    selector: {backend: \(node)}
                    ports:
                      - {name: tcp, port: 80, targetPort: 8080, nodePort: 3009\(index + 1)}
                      - {name: udp, protocol: UDP, port: 80, targetPort: 8080, nodePort: 3009\(index + 1)}
            """
        }
        let client = """
                - apiVersion: apps/v1
                  kind: DaemonSet
                  metadata: {name: client}
                  spec: {template: {metadata: {labels: {app: client}}, spec: {containers: [{name: echo}]}}}
            """
        return ([client] + backends).joined(separator: "\n")
    }

    // MARK: Rules

    /// The expectation for the cells of one class from one node.
    private struct Rule {
        let traffic: TrafficClass
        /// The number of the sender's node, from 0.
        let node: Int
        let from: String
        let to: String
    }

    /// The rules in the order of a file, where a later rule takes precedence over earlier ones.
    private var rules: [Rule] {
        nodes.indices.flatMap { node in
            TrafficClass.all.map { traffic in
                Rule(
                    traffic: traffic, node: node, from: sender(traffic, node), to: receiver(traffic.to, from: node))
            }
        }
    }

    private func sender(_ traffic: TrafficClass, _ node: Int) -> String {
        if case .service(_, .itself) = traffic.to { return "default/web-\(nodes[node])" }
        return "{kind: \(traffic.from.rawValue), nodes: [\(nodes[node])]}"
    }

    private func receiver(_ receiver: TrafficClass.Receiver, from node: Int) -> String {
        switch receiver {
        case .pod(let place): "{kind: pod, \(at(place, from: node))}"
        case .node(.sameNode): "node/\(nodes[node])"
        case .node(.otherNode): "{kind: node, \(at(.otherNode, from: node))}"
        case .service(let front, let backend): service(front, backend, from: node)
        case .vpcHost: "{kind: vpc-host}"
        case .vpcDNS: "{kind: vpc-dns}"
        case .internet: "{kind: internet}"
        }
    }

    private func service(_ front: TrafficClass.Front, _ backend: TrafficClass.Backend, from node: Int) -> String {
        let place: TrafficClass.Place = if case .pod(let place) = backend { place } else { .sameNode }
        // With two nodes there is only one other.
        let behind = place == .sameNode ? nodes[node] : nodes[(node + 1) % nodes.count]
        switch front {
        case .clusterIP:
            return "{kind: service, labels: {\(ServiceEndpoints.viaLabel): cluster-ip, backend: \(behind)}}"
        case .nodePort(let place):
            return "{kind: service, \(at(place, from: node)), "
                + "labels: {\(ServiceEndpoints.viaLabel): node-port, backend: \(behind)}}"
        }
    }

    private func at(_ place: TrafficClass.Place, from node: Int) -> String {
        let names = place == .sameNode ? [nodes[node]] : nodes.filter { $0 != nodes[node] }
        return "nodes: [\(names.joined(separator: ", "))]"
    }

    private func line(_ rule: Rule, _ row: DatapathConfiguration) -> String {
        let expectation = row.expectation(of: rule.traffic)
        var rest = ""
        switch expectation.result {
        case .open:
            switch expectation.source {
            case .pod: rest = "outcome: open, source: pod"
            case .node: rest = "outcome: open, source: node"
            case .router: rest = "outcome: open, source: 192.168.\(rule.node + 1).1"
            // The source may be any address of the cluster.
            case nil: rest = "outcome: [open, wrong-source]"
            }
        case .denied: rest = "outcome: timeout"
        case .refused: rest = "outcome: [refused, unreachable(3)]"
        case .lost: rest = "outcome: [timeout, unreachable]"
        }
        return "      # \(rule.traffic): \(expectation.reason)\n    "
            + "      - {from: \(rule.from), to: \(rule.to), \(rest)}"
    }

    private func drop(_ rule: Rule, _ row: DatapathConfiguration) -> String? {
        guard case .denied(let direction) = row.expectation(of: rule.traffic).result else { return nil }
        return "      - {from: \(rule.from), to: \(rule.to), reason: policy-denied-\(direction.rawValue), "
            + "rule: NetworkPolicy default/\(Self.policy)}"
    }
}
