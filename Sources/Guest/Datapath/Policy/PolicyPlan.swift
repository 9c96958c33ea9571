import DatapathModel
import NetAddress
import Policy

/// The intended content of the policy maps for the endpoints of a node. It is pure.
package struct PolicyPlan: Sendable {
    /// What policies say of each endpoint, by its id.
    let endpoints: [UInt16: EndpointPolicy]
    let classes: PortClasses
    let entries: [PolicyMapKey: PolicyMapValue]
    /// What the proxy needs to know, by the endpoint's address.
    var requests: [IPv4Address: RequestPolicies.Endpoint] = [:]

    /// - Parameters:
    ///   - classes: The present content of the map of ports.
    ///   - proxyPort: The port of the proxy that reads a direction's requests of a protocol.
    ///
    /// - Throws: `DatapathError.policyTooLarge`
    init(
        endpoints: [UInt16: EndpointPolicy], classes: PortClasses, ruleNames: RuleNames,
        proxyPort: (PolicyDirection, RequestReader) -> UInt16 = { _, _ in 0 }
    ) throws(DatapathError) {
        let all = endpoints.values.flatMap { [$0.ingress, $0.egress] }.compactMap { $0 }
        let ranges = Set(all.flatMap { $0.decisions.keys.compactMap(\.ports) })
        guard let classes = classes.changed(to: ranges) else {
            throw .policyTooLarge("policies divide the ports into more than \(UInt16.max) classes")
        }
        var decisions: [PolicyMapKey: PolicyDecision] = [:]
        for (id, policy) in endpoints {
            for direction in PolicyDirection.allCases {
                guard let traffic = TrafficDirection(rawValue: direction.rawValue) else { continue }
                for (match, decision) in policy[direction]?.decisions ?? [:] {
                    for number in match.ports.map({ classes.classes(in: $0) }) ?? [0] {
                        let key = PolicyMapKey(
                            endpointID: id, direction: traffic, identity: Identity(rawValue: match.identity),
                            portClass: number)
                        decisions[key] = decisions[key].map { Self.stronger($0, decision) } ?? decision
                    }
                }
            }
        }
        guard decisions.count <= PolicyMapKey.capacity else {
            throw .policyTooLarge("policies need \(decisions.count) entries, the map holds \(PolicyMapKey.capacity)")
        }
        self.endpoints = endpoints
        self.classes = classes
        entries = Dictionary(
            uniqueKeysWithValues: decisions.map { key, decision in
                let verdict: PolicyMapValue.Verdict
                switch decision.verdict {
                case .allow: verdict = .allow
                case .deny: verdict = .deny
                case .defaultDeny: verdict = .defaultDeny
                case .redirect:
                    verdict = .redirect(
                        port: proxyPort(key.direction == .ingress ? .ingress : .egress, decision.reader))
                }
                return (key, PolicyMapValue(verdict, rule: ruleNames.number(of: decision.rule)))
            })
    }

    /// Returns the stronger decision. The result does not depend on their order.
    private static func stronger(_ one: PolicyDecision, _ other: PolicyDecision) -> PolicyDecision {
        if one.verdict != other.verdict { return one.verdict > other.verdict ? one : other }
        if one.reader != other.reader { return one.reader.rawValue < other.reader.rawValue ? one : other }
        return one.rule <= other.rule ? one : other
    }

    /// The directions in which policies decide about an endpoint.
    func directions(of endpoint: UInt16) -> Set<TrafficDirection> {
        let policy = endpoints[endpoint]
        var directions: Set<TrafficDirection> = []
        if policy?.ingress != nil { directions.insert(.ingress) }
        if policy?.egress != nil { directions.insert(.egress) }
        return directions
    }

    /// Returns the chunks of the map of ports that are not all zero.
    package static func chunks(_ classes: PortClasses) -> [UInt32: [UInt16]] {
        var chunks: [UInt32: [UInt16]] = [:]
        for (number, ranges) in classes.ports {
            for range in ranges {
                var port = Int(range.ports.lowerBound)
                while port <= Int(range.ports.upperBound) {
                    let key = PortChunk.key(slot: range.protocol.rawValue, port: UInt16(port))
                    let end = min(Int(range.ports.upperBound), port | (PortChunk.ports - 1))
                    var chunk = chunks[key] ?? Array(repeating: 0, count: PortChunk.ports)
                    for each in port...end { chunk[each % PortChunk.ports] = number }
                    chunks[key] = chunk
                    port = end + 1
                }
            }
        }
        return chunks
    }

    /// Returns the classes that the chunks of the map stand for.
    static func classes(_ chunks: [UInt32: [UInt16]]) -> PortClasses {
        var ports: [UInt16: [PortRange]] = [:]
        for transport in PortProtocol.allCases {
            var open: (number: UInt16, first: UInt16)?
            for chunk in 0..<PortChunk.chunks {
                let key = UInt32(Int(transport.rawValue) * PortChunk.chunks + chunk)
                for offset in 0..<PortChunk.ports {
                    let number = chunks[key]?[offset] ?? 0
                    let port = UInt16(chunk * PortChunk.ports + offset)
                    if let run = open, run.number != number {
                        ports[run.number, default: []].append(PortRange(transport, run.first...(port - 1)))
                        open = nil
                    }
                    if open == nil, number != 0 { open = (number, port) }
                }
            }
            if let run = open { ports[run.number, default: []].append(PortRange(transport, run.first...UInt16.max)) }
        }
        return PortClasses(ports: ports)
    }
}
