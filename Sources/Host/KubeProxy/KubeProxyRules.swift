import Digest
import KubeObjects

/// The iptables rules that a kube-proxy in iptables mode would write (its `syncProxyRules`), computed from the
/// cluster's objects. The computation has no side effects: the same objects on the same node give the same text.
///
/// A rule set is text for `iptables-restore --noflush`. It has kube-proxy's own chains, which are flushed because the
/// text names them, and the jumps into them from the built-in chains (`jumps`), which a real kube-proxy inserts once.
public struct KubeProxyRules: Sendable, Hashable {
    /// The mark of packets that are to be masqueraded: kube-proxy's default, `--iptables-masquerade-bit 14`.
    public static let masqueradeMark = "0x4000"

    public let services: [Service]
    public let slices: [EndpointSlice]
    /// The node that the rules are for. They differ by node, because local endpoints do.
    public let nodeName: String
    /// The range of the pods' addresses. Its members reach services without masquerade; with nil, every source does.
    public let clusterCIDR: String?

    public init(services: [Service], slices: [EndpointSlice], nodeName: String, clusterCIDR: String?) {
        self.services = services.sorted {
            ($0.metadata.namespace, $0.metadata.name) < ($1.metadata.namespace, $1.metadata.name)
        }
        self.slices = slices
        self.nodeName = nodeName
        self.clusterCIDR = clusterCIDR
    }

    /// A rule that jumps into one of kube-proxy's chains. It is put first in its built-in chain, unless it is there
    /// already.
    public struct Jump: Sendable, Hashable {
        public let table: String
        public let chain: String
        /// The words of the rule after the chain's name.
        public let rule: [String]
    }

    /// The jumps of a real kube-proxy, in the order in which it inserts them.
    public static let jumps: [Jump] = [
        jump(
            "filter", "INPUT", "kubernetes externally-visible service portals", to: "KUBE-EXTERNAL-SERVICES",
            new: true),
        jump(
            "filter", "FORWARD", "kubernetes externally-visible service portals", to: "KUBE-EXTERNAL-SERVICES",
            new: true),
        jump("filter", "INPUT", "kubernetes health check service ports", to: "KUBE-NODEPORTS", new: false),
        jump("filter", "FORWARD", "kubernetes service portals", to: "KUBE-SERVICES", new: true),
        jump("filter", "OUTPUT", "kubernetes service portals", to: "KUBE-SERVICES", new: true),
        jump("filter", "FORWARD", "kubernetes forwarding rules", to: "KUBE-FORWARD", new: false),
        jump("nat", "OUTPUT", "kubernetes service portals", to: "KUBE-SERVICES", new: false),
        jump("nat", "PREROUTING", "kubernetes service portals", to: "KUBE-SERVICES", new: false),
        jump("nat", "POSTROUTING", "kubernetes postrouting rules", to: "KUBE-POSTROUTING", new: false),
    ]

    private static func jump(_ table: String, _ chain: String, _ comment: String, to: String, new: Bool) -> Jump {
        let state = new ? ["-m", "conntrack", "--ctstate", "NEW"] : []
        return Jump(table: table, chain: chain, rule: state + ["-m", "comment", "--comment", comment, "-j", to])
    }

    /// The text for `iptables-restore`.
    ///
    /// - Parameters:
    ///   - removing: An earlier rule set. Its chains that this one lacks are emptied and deleted.
    ///   - insertingJumps: Whether the jumps are put first in the built-in chains, because the node has none of the
    ///     rules yet.
    public func text(removing earlier: KubeProxyRules? = nil, insertingJumps: Bool = false) -> String {
        var tables = RuleTables()
        if insertingJumps { tables.insert(Self.jumps) }
        addRules(to: &tables)
        if let earlier { tables.remove(earlier.tables.natChains) }
        return tables.text
    }

    /// kube-proxy's chains with these rules, in the form of `SavedRules.kubeProxyChains`. The names of most of them end
    /// in a hash of a service's port and a backend's address, so other objects have other chains.
    public var chains: Set<String> {
        Set(
            RuleTables.filterChains.map { "filter \($0)" }
                + (RuleTables.baseNATChains + tables.natChains).map { "nat \($0)" })
    }

    private var tables: RuleTables {
        var tables = RuleTables()
        addRules(to: &tables)
        return tables
    }

    private func addRules(to tables: inout RuleTables) {
        tables.base()
        for service in services { for port in service.spec.ports { add(service, port, to: &tables) } }
        tables.end()
    }

    /// An endpoint that a service's chain leads to.
    struct Backend: Hashable {
        /// `ADDRESS:PORT`
        let destination: String
        let address: String
        let isLocal: Bool
    }

    /// The ready endpoints of a port, sorted. When none is ready, these are the endpoints that still serve while they
    /// terminate (KEP-1669).
    func backends(of service: Service, _ port: Service.Port) -> [Backend] {
        let own = slices.filter { $0.addressType == .ipv4 && $0.service == service.key }
        var ready: Set<Backend> = []
        var ending: Set<Backend> = []
        for slice in own {
            guard
                let match = slice.ports.first(where: {
                    ($0.name ?? "") == (port.name ?? "") && $0.protocol == port.protocol
                }),
                let number = match.port
            else { continue }
            for endpoint in slice.endpoints {
                guard let address = endpoint.addresses.first else { continue }
                let backend = Backend(
                    destination: "\(address):\(number)", address: address, isLocal: endpoint.nodeName == nodeName)
                if endpoint.conditions.isReady {
                    ready.insert(backend)
                } else if endpoint.conditions.isServing, endpoint.conditions.isTerminating {
                    ending.insert(backend)
                }
            }
        }
        return (ready.isEmpty ? ending : ready).sorted { $0.destination < $1.destination }
    }

    // MARK: One port of one service

    private func add(_ service: Service, _ port: Service.Port, to tables: inout RuleTables) {
        guard let clusterIP = service.clusterAddresses.first(where: { !$0.contains(":") }) else { return }
        let name = Self.portName(service, port)
        let proto = port.protocol.rawValue.lowercased()
        let chains = ServiceChains(portName: name, protocol: proto)
        let all = backends(of: service, port)
        let internalOnes = service.spec.internalTrafficPolicy == .local ? all.filter(\.isLocal) : all
        let local = all.filter(\.isLocal)
        let keepsSource = service.spec.externalTrafficPolicy == .local
        let externals =
            service.spec.externalIPs.map { (address: $0, kind: "external IP") }
            + service.loadBalancerAddresses.map { (address: $0, kind: "loadbalancer IP") }
        let nodePort = service.spec.type == .clusterIP ? nil : port.nodePort
        let match = ["-m", proto, "-p", proto]
        let toCluster = match + ["-d", clusterIP, "--dport", "\(port.port)"]

        func refuse(_ chain: String, _ why: String, _ rest: [String], _ target: String) {
            tables.filter(chain, comment: "\(name) \(why)", rest, target)
        }
        let usesCluster =
            !internalOnes.isEmpty || (!all.isEmpty && !keepsSource && (!externals.isEmpty || nodePort != nil))
        if internalOnes.isEmpty {
            let why = all.isEmpty ? "has no endpoints" : "has no local endpoints"
            refuse("KUBE-SERVICES", why, toCluster, all.isEmpty ? "REJECT" : "DROP")
        } else {
            tables.nat("KUBE-SERVICES", comment: "\(name) cluster IP", toCluster, chains.cluster)
        }
        let reachesOutside = keepsSource ? !local.isEmpty : !all.isEmpty
        for external in externals {
            let rest = match + ["-d", external.address, "--dport", "\(port.port)"]
            if reachesOutside || (keepsSource && !all.isEmpty) {
                tables.nat("KUBE-SERVICES", comment: "\(name) \(external.kind)", rest, chains.external)
            }
            if !reachesOutside {
                let why = all.isEmpty ? "has no endpoints" : "has no local endpoints"
                refuse("KUBE-EXTERNAL-SERVICES", why, rest, all.isEmpty ? "REJECT" : "DROP")
            }
        }
        if let nodePort {
            if reachesOutside || (keepsSource && !all.isEmpty) {
                tables.nat("KUBE-NODEPORTS", comment: name, match + ["--dport", "\(nodePort)"], chains.external)
            }
            if !reachesOutside {
                let rest = ["-m", "addrtype", "--dst-type", "LOCAL"] + match + ["--dport", "\(nodePort)"]
                let why = all.isEmpty ? "has no endpoints" : "has no local endpoints"
                refuse("KUBE-EXTERNAL-SERVICES", why, rest, all.isEmpty ? "REJECT" : "DROP")
            }
        }
        let isExternal = !externals.isEmpty || nodePort != nil
        if isExternal, !all.isEmpty { addExternal(name, chains, keepsSource: keepsSource, local: local, to: &tables) }
        if usesCluster || (isExternal && !all.isEmpty) {
            let usable = internalOnes.isEmpty ? all : internalOnes
            tables.natChain(chains.cluster)
            if let clusterCIDR {
                tables.nat(
                    chains.cluster, comment: "\(name) cluster IP", toCluster + ["!", "-s", clusterCIDR],
                    "KUBE-MARK-MASQ")
            }
            addChoice(chains.cluster, name, usable, service.affinityTimeout, proto, to: &tables)
        }
        if isExternal, keepsSource, !local.isEmpty {
            tables.natChain(chains.local)
            addChoice(chains.local, name, local, service.affinityTimeout, proto, to: &tables)
        }
        for backend in all { addBackend(backend, name, service.affinityTimeout, proto, to: &tables) }
    }

    private func addExternal(
        _ name: String, _ chains: ServiceChains, keepsSource: Bool, local: [Backend], to tables: inout RuleTables
    ) {
        tables.natChain(chains.external)
        guard keepsSource else {
            tables.nat(
                chains.external, comment: "masquerade traffic for \(name) external destinations", [], "KUBE-MARK-MASQ")
            return tables.nat(chains.external, [], chains.cluster)
        }
        if let clusterCIDR {
            tables.nat(
                chains.external, comment: "pod traffic for \(name) external destinations", ["-s", clusterCIDR],
                chains.cluster)
        }
        let fromHere = ["-m", "addrtype", "--src-type", "LOCAL"]
        tables.nat(
            chains.external, comment: "masquerade LOCAL traffic for \(name) external destinations", fromHere,
            "KUBE-MARK-MASQ")
        tables.nat(
            chains.external, comment: "route LOCAL traffic for \(name) external destinations", fromHere, chains.cluster)
        if !local.isEmpty { tables.nat(chains.external, [], chains.local) }
    }

    /// Adds the rules that choose a backend: first those of session affinity, then each backend with the probability
    /// that makes all of them equally likely.
    private func addChoice(
        _ chain: String, _ name: String, _ backends: [Backend], _ affinity: Int?, _ proto: String,
        to tables: inout RuleTables
    ) {
        for backend in backends {
            guard let affinity else { break }
            let target = ServiceChains.endpoint(name, proto, backend.destination)
            tables.nat(
                chain, comment: "\(name) -> \(backend.destination)",
                ["-m", "recent", "--name", target, "--rcheck", "--seconds", "\(affinity)", "--reap"], target)
        }
        for (index, backend) in backends.enumerated() {
            let left = backends.count - index
            let share =
                left > 1 ? ["-m", "statistic", "--mode", "random", "--probability", Self.probability(left)] : []
            tables.nat(
                chain, comment: "\(name) -> \(backend.destination)", share,
                ServiceChains.endpoint(name, proto, backend.destination))
        }
    }

    private func addBackend(
        _ backend: Backend, _ name: String, _ affinity: Int?, _ proto: String, to tables: inout RuleTables
    ) {
        let chain = ServiceChains.endpoint(name, proto, backend.destination)
        tables.natChain(chain)
        // A pod that is sent to itself must not see its own address as the source.
        tables.nat(chain, comment: name, ["-s", backend.address], "KUBE-MARK-MASQ")
        let remembered = affinity == nil ? [] : ["-m", "recent", "--name", chain, "--set"]
        tables.nat(
            chain, comment: name, remembered + ["-m", proto, "-p", proto], "DNAT",
            ["--to-destination", backend.destination])
    }

    /// The name of a service's port: `default/web:http`, or `default/web` for a port without a name.
    static func portName(_ service: Service, _ port: Service.Port) -> String {
        let base = "\(service.metadata.namespace)/\(service.metadata.name)"
        guard let name = port.name, !name.isEmpty else { return base }
        return "\(base):\(name)"
    }

    /// 1/n with ten digits, as Go's `%0.10f` writes it.
    static func probability(_ count: Int) -> String {
        let digits = (10_000_000_000 + UInt64(count) / 2) / UInt64(count)
        let text = String(digits)
        return count <= 1 ? "1.0000000000" : "0." + String(repeating: "0", count: 10 - text.count) + text
    }
}

/// The names of a service port's chains. They end in the first 16 characters of a SHA-256 in base 32, as kube-proxy's
/// `portProtoHash` and `servicePortEndpointChainName` make them.
public struct ServiceChains: Sendable, Hashable {
    public let cluster: String
    public let local: String
    public let external: String

    public init(portName: String, protocol proto: String) {
        let hash = Self.hash(portName + proto)
        cluster = "KUBE-SVC-" + hash
        local = "KUBE-SVL-" + hash
        external = "KUBE-EXT-" + hash
    }

    /// - Parameter destination: The backend as `ADDRESS:PORT`.
    public static func endpoint(_ portName: String, _ proto: String, _ destination: String) -> String {
        "KUBE-SEP-" + hash(portName + proto + destination)
    }

    private static func hash(_ text: String) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        var out = ""
        var bits = 0
        var value = 0
        for byte in SHA256Digest.bytes(ofHex: SHA256Digest.hex(of: Array(text.utf8))) {
            value = (value << 8 | Int(byte)) & 0xFFFF
            bits += 8
            while bits >= 5, out.count < 16 {
                bits -= 5
                out.append(alphabet[value >> bits & 31])
            }
        }
        return out
    }
}

extension SHA256Digest {
    fileprivate static func bytes(ofHex text: String) -> [UInt8] {
        let digits = Array(text.utf8).map { $0 < 58 ? $0 - 48 : $0 - 87 }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
