import Lab
import Scenario

/// What an oracle read: whether it proves what was asked, and in which words.
public struct Proof: Sendable {
    public let holds: Bool
    public let evidence: [String]
    public init(_ holds: Bool, _ evidence: [String]) {
        self.holds = holds
        self.evidence = evidence
    }
}

/// Something that is done to a lab, proved, and undone. One file each; listed in `FaultCatalogue.kinds`.
public protocol Fault: Sendable {
    /// Its name and parameters in a scenario file.
    static var descriptor: FaultDescriptor { get }
    /// - Throws: `FaultError` when the lab has not what the call names.
    init(_ call: FaultCall, in cluster: Cluster) throws
    /// What it is done to, in the words of a report.
    var targets: [String] { get }
    /// What it needs for itself; two faults with a common claim conflict.
    var claims: Set<String> { get }
    /// Nodes whose end or silence it means, so that it is no failure of the lab.
    var disturbs: [String] { get }
    /// Nodes of which it means only the agent's end: their machines must go on.
    var disturbsAgents: [String] { get }
    func inject() async throws
    /// Whether the effect is there, read from the lab and not from memory.
    func effect() async throws -> Proof
    func heal() async throws
    /// Whether it is gone again.
    func gone() async throws -> Proof
}

extension Fault {
    public var disturbs: [String] { [] }
    public var disturbsAgents: [String] { [] }
}

public struct FaultError: Error, CustomStringConvertible, Sendable {
    public let fault: String
    public let location: String
    public let message: String
    public init(_ call: FaultCall, _ message: String) {
        fault = call.id
        location = call.location
        self.message = message
    }
    public init(id: String, location: String, message: String) {
        fault = id
        self.location = location
        self.message = message
    }
    public var description: String { "\(location): fault \(fault): \(message)" }
}

/// Every fault that ships.
public enum FaultCatalogue {
    public static let kinds: [any Fault.Type] = [
        SecurityGroupRuleFault.self, LinkDownFault.self, NodePauseFault.self, NodeCrashFault.self,
        AgentKillFault.self, NetemFault.self, KubeProxyResidueFault.self,
    ]

    public static var descriptors: [FaultDescriptor] { kinds.map { $0.descriptor } }

    public static func make(_ call: FaultCall, in cluster: Cluster) throws -> any Fault {
        guard let kind = kinds.first(where: { $0.descriptor.kind == call.kind }) else {
            throw FaultError(call, "unknown kind \(call.kind)")
        }
        return try kind.init(call, in: cluster)
    }

    /// Why a fault cannot be injected beside others; nil when it can.
    public static func conflict(_ fault: any Fault, with others: [(id: String, fault: any Fault)]) -> String? {
        for other in others {
            let common = fault.claims.intersection(other.fault.claims).sorted()
            if let first = common.first { return "\(first) is already held by fault \(other.id)" }
            if let node = unpowered(by: other.fault, needed: fault) {
                return "\(node) does not run because of fault \(other.id)"
            }
            if let node = unpowered(by: fault, needed: other.fault) {
                return "\(node) must run until fault \(other.id) is healed"
            }
        }
        return nil
    }
}

extension FaultCatalogue {
    /// A node whose power one fault takes while the other has something to do on it.
    private static func unpowered(by fault: any Fault, needed other: any Fault) -> String? {
        let dead = fault.claims.filter { $0.hasSuffix(" power") }.map { String($0.dropLast(" power".count)) }
        return dead.sorted().first { name in other.claims.contains { $0.hasPrefix("\(name) ") } }
    }
}

extension FaultCall {
    func text(_ name: String) -> String? {
        if case .text(let value)? = parameters[name] { return value }
        return nil
    }

    func percent(_ name: String) -> Double {
        switch parameters[name] {
        case .number(let value)?: value
        case .integer(let value)?: Double(value)
        default: 0
        }
    }

    func milliseconds(_ name: String) -> Double {
        if case .duration(let seconds)? = parameters[name] { return seconds * 1000 }
        return 0
    }

    func flag(_ name: String, default preset: Bool) -> Bool {
        if case .flag(let value)? = parameters[name] { return value }
        return preset
    }

    /// The nodes a parameter names; all when it is absent or `all`.
    func nodes(_ name: String = "nodes", in cluster: Cluster) throws -> [ClusterNode] {
        let names: [String]
        switch parameters[name] {
        case .texts(let list)?: names = list
        case .text(let one)?: names = [one]
        default: names = ["all"]
        }
        if names == ["all"] { return cluster.nodes }
        return try names.map {
            guard let node = cluster.node(named: $0) else { throw FaultError(self, "no node \($0)") }
            return node
        }
    }
}
