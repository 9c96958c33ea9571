import Foundation
import KubeObjects
import NetAddress

@testable import Policy

/// A small cluster: `default` with web, client and other, `prod` (team=a) with web and client.
enum TestCluster {
    static let host: UInt32 = 1
    static let world: UInt32 = 2
    static let health: UInt32 = 4
    static let remoteNode: UInt32 = 6
    static let apiServer: UInt32 = 7
    static let web: UInt32 = 1000
    static let client: UInt32 = 1001
    static let other: UInt32 = 1002
    static let prodWeb: UInt32 = 1003
    static let prodClient: UInt32 = 1004
    static let firstRange: UInt32 = 0xFF0000

    static func pod(_ namespace: String, _ labels: [String: String], _ namespaceLabels: [String: String] = [:])
        -> [String]
    {
        labels.map { "k8s:\($0)=\($1)" } + ["k8s:io.kubernetes.pod.namespace=\(namespace)"]
            + namespaceLabels.merging(["kubernetes.io/metadata.name": namespace]) { $1 }
            .map { "k8s:io.cilium.k8s.namespace.labels.\($0)=\($1)" }
    }

    static let labels: [UInt32: [String]] = [
        host: ["reserved:host"], world: ["reserved:world"], health: ["reserved:health"],
        remoteNode: ["reserved:remote-node"], apiServer: ["reserved:kube-apiserver", "reserved:remote-node"],
        web: pod("default", ["app": "web"]), client: pod("default", ["app": "client"]),
        other: pod("default", ["app": "other", "tier": "back"]),
        prodWeb: pod("prod", ["app": "web"], ["team": "a"]),
        prodClient: pod("prod", ["app": "client"], ["team": "a"]),
    ]

    static let webPorts = [
        NamedPort(name: "http", protocol: .tcp, number: 80), NamedPort(name: "dns", protocol: .udp, number: 53),
        NamedPort(name: "dns", protocol: .tcp, number: 5353),
    ]
    /// The pod "web" of `prod` calls another port "http".
    static let prodWebPorts = [NamedPort(name: "http", protocol: .tcp, number: 8080)]

    static func identities(_ units: [PolicyUnit]) -> [PeerIdentity] {
        let ports: [UInt32: [NamedPort]] = [web: webPorts, prodWeb: prodWebPorts]
        let ranges = PolicyCompiler.ranges(in: units).sorted().enumerated().map { index, range in
            PeerIdentity(
                number: firstRange + UInt32(index), labels: ["reserved:world", "cidr:\(range)"], range: range)
        }
        return labels.map { PeerIdentity(number: $0, labels: $1, ports: ports[$0] ?? []) }.sorted {
            $0.number < $1.number
        } + ranges
    }

    /// The identity of an address outside of the cluster, which is that of the longest range that contains it.
    static func identity(of address: String, _ units: [PolicyUnit]) -> UInt32 {
        guard let address = IPv4Address(address) else { return 0 }
        return identities(units).filter { $0.range?.contains(address) == true }
            .max { ($0.range?.prefixLength ?? 0) < ($1.range?.prefixLength ?? 0) }?.number ?? world
    }

    static func networkPolicy(_ spec: String, namespace: String = "default", name: String = "p") throws -> [PolicyUnit]
    {
        let json = #"{"metadata":{"name":"\#(name)","namespace":"\#(namespace)"},"spec":\#(spec)}"#
        return try JSONDecoder().decode(NetworkPolicy.self, from: Data(json.utf8)).units()
    }

    static func ciliumPolicy(_ spec: String, namespace: String = "default", name: String = "p") throws -> [PolicyUnit] {
        let json = #"{"metadata":{"name":"\#(name)","namespace":"\#(namespace)"},"spec":\#(spec)}"#
        return try JSONDecoder().decode(CiliumNetworkPolicy.self, from: Data(json.utf8)).units()
    }

    static func compile(_ units: [PolicyUnit], for identity: UInt32) -> EndpointPolicy {
        var compiler = PolicyCompiler(units: units, identities: identities(units), node: host)
        return compiler.compile(labels: labels[identity] ?? [], ports: identity == web ? webPorts : [])
    }
}

/// A connection and the expected decision: `web < client tcp 80 allow`. `<` means from, `>` means to the peer, which is
/// a name or an address. Decisions are open (no policy), allow, deny (by default), forbidden (by a deny rule) and
/// redirect.
struct Expectation: CustomStringConvertible {
    let text: String
    init(_ text: String) { self.text = text }
    var description: String { text }

    func problem(_ units: [PolicyUnit]) -> String? {
        let words = text.split(separator: " ").map(String.init)
        guard words.count == 6 else { return "not an expectation: \(text)" }
        let names: [String: UInt32] = [
            "web": TestCluster.web, "client": TestCluster.client, "other": TestCluster.other,
            "prod-web": TestCluster.prodWeb, "prod-client": TestCluster.prodClient, "host": TestCluster.host,
            "world": TestCluster.world, "remote-node": TestCluster.remoteNode, "health": TestCluster.health,
            "api-server": TestCluster.apiServer,
        ]
        let transports: [String: PortProtocol] = ["tcp": .tcp, "udp": .udp, "sctp": .sctp, "icmp": .icmp]
        guard let subject = names[words[0]], let port = UInt16(words[4]) else { return "not an expectation: \(text)" }
        let peer = names[words[2]] ?? TestCluster.identity(of: words[2], units)
        let policy = TestCluster.compile(units, for: subject)
        let direction: PolicyDirection = words[1] == "<" ? .ingress : .egress
        let found: String
        switch policy[direction]?.decision(identity: peer, port: port, of: transports[words[3]])?.verdict {
        case nil: found = policy[direction] == nil ? "open" : "undecided"
        case .allow: found = "allow"
        case .redirect: found = "redirect"
        case .deny: found = "forbidden"
        case .defaultDeny: found = "deny"
        }
        return found == words[5] ? nil : "\(text): is \(found)"
    }
}

func problems(_ units: [PolicyUnit], _ expectations: [String]) -> [String] {
    expectations.compactMap { Expectation($0).problem(units) }
}
