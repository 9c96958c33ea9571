import Matrix
import Readings
import ScenarioReading
import Shapes

/// Which cells an expectation is about. Every given part must hold.
package struct CellSelection: Codable, Sendable, Hashable {
    package var from: EndpointSelector
    package var to: EndpointSelector
    package var `where`: Placement?
    /// The protocols, or all of them if it is empty.
    package var protocols: [ProbeProtocol]
    /// The names of requests, or nil for any cell.
    package var requests: [String]?

    package init(
        from: EndpointSelector, to: EndpointSelector, where placement: Placement? = nil,
        protocols: [ProbeProtocol] = [], requests: [String]? = nil
    ) {
        self.from = from
        self.to = to
        self.where = placement
        self.protocols = protocols
        self.requests = requests
    }

    package func covers(_ from: Endpoint, _ to: Endpoint) -> Bool {
        self.from.matches(from) && self.to.matches(to) && (self.where?.matches(from, to) ?? true)
    }

    /// - Parameter request: The name of the request with which the cell is measured, or nil for an echo.
    package func covers(
        _ from: Endpoint, _ to: Endpoint, _ proto: ProbeProtocol, request: String?
    ) -> Bool {
        covers(from, to) && (protocols.isEmpty || protocols.contains(proto))
            && (requests.map { $0.contains(request ?? "") } ?? true)
    }

    /// For example `pod → pod on node2, cross-node, tcp and udp, request login`.
    package var words: String {
        var text = "\(from.words) → \(to.words)"
        if let placement = self.where { text += ", \(placement.rawValue)" }
        if !protocols.isEmpty { text += ", " + protocols.map(\.rawValue).joined(separator: " and ") }
        if let requests { text += ", request " + requests.joined(separator: " or ") }
        return text
    }
}

// MARK: Shapes

extension Field {
    package static let from = Field("from", .selector, required: true, "Sources.")
    package static let to = Field("to", .selector, required: true, "Destinations.")
    package static let placement = Field(
        "where", .choice(Placement.allCases.map(\.rawValue)), "Where the two ends are.")
    package static let anyProtocol = Field(
        "protocol", .oneOrMore(.choice(ProbeProtocol.allCases.map(\.rawValue))), "All measured ones when left out.")
    package static let request = Field(
        "request", .oneOrMore(.text(.dnsLabel)), "Names of requests; any cell when left out.")
}

extension Shape {
    /// The protocols over which every pair can be measured.
    package static let echoedProtocols = Shape.choice(ProbeProtocol.echoed.map(\.rawValue))

    /// An endpoint's id, or conditions that an endpoint must fulfil.
    package static let selector = Shape.scalarOr(
        .text(.nonEmpty),
        .object(
            ObjectShape(
                name: "selector", help: "Selects endpoints; every given part must hold.",
                fields: [
                    Field(
                        "kind",
                        .choice(["pod", "node", "service", "vpc-host", "vpc-dns", "internet", "control-plane"]),
                        "What it is."),
                    Field(
                        "ids", .oneOrMore(.text(.nonEmpty)),
                        "Ids such as default/web-1, node/node1, vpc/dns, vpc/control-plane or internet/1.1.1.1."),
                    Field("nodes", .nodes(orNone: false), "Nodes it runs on."),
                    Field("namespace", .text(.dnsLabel), "Namespace of a pod."),
                    Field("labels", .map(.any, .text()), "Labels of a pod."),
                ])))
}

// MARK: Reading

extension ShapeChecker {
    /// Reads an endpoint's id, or conditions that an endpoint must fulfil.
    ///
    /// - Parameters:
    ///   - nodes: The names of the lab's nodes. If the lab is not known, it is empty, and neither nodes nor ids are
    ///     checked.
    ///   - endpoints: The endpoints that exist. They are asked for only if ids are given.
    ///   - knowsPods: Whether all pods are among them. Otherwise any name may be a pod's.
    package mutating func selector(
        _ value: YAMLValue?, nodes: [String], endpoints: () -> [Endpoint], knowsPods: Bool = true
    ) -> EndpointSelector {
        guard let value else { return EndpointSelector() }
        let nodes = knowsPods || value["nodes"] != nil ? nodes : []
        if value.text != nil { return EndpointSelector(ids: endpointIDs(value, nodes: nodes, endpoints: endpoints)) }
        var labels: [String: String] = [:]
        for entry in value["labels"]?.entries ?? [] { labels[entry.key] = entry.value.text }
        let named = nodeNames(value["nodes"], among: nodes)
        return EndpointSelector(
            kind: value["kind"]?.text.flatMap(EndpointKind.init(rawValue:)),
            ids: value["ids"].map { endpointIDs($0, nodes: nodes, endpoints: endpoints) },
            nodes: named.isEmpty ? nil : named, namespace: value["namespace"]?.text, labels: labels)
    }

    private mutating func endpointIDs(
        _ value: YAMLValue, nodes: [String], endpoints: () -> [Endpoint]
    ) -> [String] {
        guard !nodes.isEmpty else { return value.texts }
        let known = endpoints().map(\.id)
        for item in value.oneOrMore {
            guard let id = item.text, !known.contains(id) else { continue }
            report(
                item.place, "no endpoint \"\(id)\" at this place", expected: known.oneOf,
                suggestion: NearestName.of(id, among: known))
        }
        return value.texts
    }

    /// Reads names of nodes, each of which must be in the lab. `all` and `none` give an empty list.
    ///
    /// - Parameter nodes: The names of the lab's nodes. If the lab is not known, it is empty, and names are not
    ///   checked.
    package mutating func nodeNames(_ value: YAMLValue?, among nodes: [String]) -> [String] {
        var result: [String] = []
        for item in value?.oneOrMore ?? [] {
            guard let name = item.text, name != "all", name != "none" else { continue }
            result.append(name)
            if launchableNodes.contains(name) { continue }
            if absentNodes.contains(name), !nodes.contains(name) {
                report(
                    item.place, "\(name) is not there at this step: it has not joined, or has left",
                    expected: nodes.oneOf)
            } else if !nodes.isEmpty, !nodes.contains(name) {
                report(
                    item.place, "no node \"\(name)\" in the lab", expected: nodes.oneOf,
                    suggestion: NearestName.of(name, among: nodes))
            }
        }
        if let value, case .list(let items) = value.content, items.count > 1,
            let word = items.first(where: { $0.text == "all" || $0.text == "none" })
        {
            report(word.place, "\"\(word.text ?? "")\" stands alone, not in a list of nodes")
        }
        return result
    }
}

extension [String] {
    /// The names of nodes, joined. An empty list stands for all of them.
    func places(else all: String = "every node") -> String { isEmpty ? all : joined(separator: ", ") }
}

// MARK: Words

extension EndpointSelector {
    /// For example `pod on node2`, `default/web-1` or `any endpoint`.
    package var words: String {
        if let ids, ids.count == 1, kind == nil, nodes == nil, namespace == nil, labels.isEmpty { return ids[0] }
        var text = kind?.rawValue ?? "any endpoint"
        if let ids { text += " " + ids.joined(separator: " or ") }
        if let namespace { text += " in \(namespace)" }
        if !labels.isEmpty {
            text += " with " + labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
        }
        if let nodes { text += " on " + nodes.joined(separator: " or ") }
        return text
    }

    /// For example `pod on node2`, `default/web-1+default/web-2` or `any`. It is part of a result's name.
    var title: String {
        var parts: [String] = []
        if let kind { parts.append(kind.rawValue) }
        if let ids { parts.append(ids.joined(separator: "+")) }
        if let namespace { parts.append("in \(namespace)") }
        if let nodes { parts.append("on \(nodes.joined(separator: "+"))") }
        parts += labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return parts.isEmpty ? "any" : parts.joined(separator: " ")
    }
}
