public import ControlPlane
import Lab
import Scenario

/// What an oracle read from the lab: whether it proves what was asked, and the evidence in the words of a report.
public struct Proof: Sendable {
    public let holds: Bool
    public let evidence: [String]
    public init(_ holds: Bool, _ evidence: [String]) {
        self.holds = holds
        self.evidence = evidence
    }
}

/// Something that is done to a lab, proved, and undone. Each fault is one file, and one line in `FaultCatalogue.kinds`.
public protocol Fault: Sendable {
    /// The fault's name, parameters, checks and claims.
    static var descriptor: FaultDescriptor { get }
    /// Prepares the fault; nothing is done to the lab yet. The parameters have passed the descriptor's check.
    /// - Throws: `FaultError` when the lab has not what the call names.
    init(_ call: FaultCall, in cluster: Cluster) throws
    /// What the fault is done to, in the words of a report.
    var targets: [String] { get }
    /// The names of the nodes whose end or silence the fault intends, so that it is no failure of the lab.
    var disturbs: [String] { get }
    /// The names of the nodes of which the fault intends only the agent's end; their machines must go on.
    var disturbsAgents: [String] { get }
    /// The servers of the control plane whose end the fault intends.
    var disturbsServers: [ControlPlaneServer] { get }
    func inject() async throws
    /// Whether the effect is there, read from the lab and not from memory.
    func effect() async throws -> Proof
    func heal() async throws
    /// Whether the effect is gone again, read from the lab and not from memory.
    func gone() async throws -> Proof
}

extension Fault {
    public var disturbs: [String] { [] }
    public var disturbsAgents: [String] { [] }
    public var disturbsServers: [ControlPlaneServer] { [] }
}

/// A fault could not be prepared or injected.
public struct FaultError: Error, CustomStringConvertible, Sendable {
    public let call: FaultCall
    public let message: String
    public init(_ call: FaultCall, _ message: String) {
        self.call = call
        self.message = message
    }
    public var description: String { "\(call.location): fault \(call.id): \(message)" }
}

extension FaultCall {
    /// The nodes that the parameter `nodes` gives; all nodes that are there when it was not given.
    func nodes(in cluster: Cluster) throws -> [ClusterNode] {
        try targets(among: cluster.presentNodes.map(\.name)).map {
            guard let node = cluster.node(named: $0) else { throw FaultError(self, "no node \($0)") }
            return node
        }
    }
}
