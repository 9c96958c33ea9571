import Matrix

/// The scenario that holds a datapath configuration against its model: one step, every class of cells with the outcome
/// and the source that `DatapathConfiguration.expectation` says.
public enum ConfigurationScenario {
    /// Ends of a rule: what they select, and where they are relative to each other.
    private struct Rule {
        let traffic: TrafficClass
        let to: String
        let placement: Placement?
    }

    private static let clusterIP = "{kind: service, labels: {\(ServiceEndpoints.viaLabel): cluster-ip}}"
    private static let nodePort = "{kind: service, labels: {\(ServiceEndpoints.viaLabel): node-port}}"

    private static let rules: [Rule] = TrafficClass.Sender.allCases.flatMap { from -> [Rule] in
        func rule(_ receiver: TrafficClass.Receiver, _ to: String, _ placement: Placement?) -> Rule {
            Rule(traffic: TrafficClass(from, receiver), to: to, placement: placement)
        }
        var rules = [
            rule(.podSameNode, "{kind: pod}", .sameNode), rule(.podOtherNode, "{kind: pod}", .crossNode),
            rule(.otherNode, "{kind: node}", .crossNode), rule(.clusterIP, clusterIP, nil),
            rule(.nodePortOwnNode, nodePort, .sameNode), rule(.nodePortOtherNode, nodePort, .crossNode),
        ]
        if from == .pod { rules.append(rule(.ownNode, "{kind: node}", .sameNode)) }
        return rules
    }

    /// The file's text. Whether the lab does all that it asks for, its parser says.
    public static func text(for configuration: DatapathConfiguration, nodes: Int = 2) -> String {
        let values = configuration.values.sorted { $0.key < $1.key }.map { "        \($0.key): \($0.value)" }
        let checked = rules.map { line($0, configuration) }
        let pairs = ["pod", "node"].flatMap { from in
            ["pod", "node", "service"].map { "      - {from: {kind: \(from)}, to: {kind: \($0)}}" }
        }
        return """
            apiVersion: labrun.dev/v1alpha1
            kind: Scenario
            metadata:
              name: \(configuration)
              title: Who reaches whom with \(configuration)
              labels: {family: matrix}
            spec:
              lab: eks-overlay
              overrides:
                nodes: {count: \(nodes)}
                datapath:
                  values:
            \(values.map { "  " + $0 }.joined(separator: "\n"))
              workloads:
            \(workloads(configuration.policy))
              probes:
                pairs:
            \(pairs.joined(separator: "\n"))
              timeline:
                - name: measured
                  expect:
                    matrix:
            \(checked.joined(separator: "\n"))

            """
    }

    private static func line(_ rule: Rule, _ configuration: DatapathConfiguration) -> String {
        let expectation = configuration.expectation(of: rule.traffic)
        let place = rule.placement.map { ", where: \($0.rawValue)" } ?? ""
        let source = expectation.source.map { ", source: \($0.text)" } ?? ""
        let outcome =
            switch expectation.result {
            // Where the source depends on the backend, another one than the sender's own is right, too.
            case .open: expectation.source == nil ? "[open, wrong-source]" : "open"
            case .denied, .lost: "timeout"
            case .dependsOnBackend: "[open, wrong-source, timeout]"
            }
        return "          # \(expectation.reason)\n"
            + "          - {from: {kind: \(rule.traffic.from.rawValue)}, to: \(rule.to)\(place), outcome: \(outcome)\(source)}"
    }

    private static func workloads(_ policy: DatapathConfiguration.Policy) -> String {
        let pods = ["client", "web"].map { name in
            """
                - apiVersion: apps/v1
                  kind: DaemonSet
                  metadata: {name: \(name)}
                  spec: {template: {metadata: {labels: {app: \(name)}}, spec: {containers: [{name: echo}]}}}
            """
        }
        let service = """
                - apiVersion: v1
                  kind: Service
                  metadata: {name: web}
                  spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30081}]}
            """
        let deny = """
                - apiVersion: networking.k8s.io/v1
                  kind: NetworkPolicy
                  metadata: {name: default-deny}
                  spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
            """
        return (pods + [service] + (policy == .defaultDeny ? [deny] : [])).joined(separator: "\n")
    }
}
