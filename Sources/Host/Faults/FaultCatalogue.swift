import Lab
import Scenario

/// The faults that scenarios may name.
public struct FaultCatalogue: Sendable {
    /// Every fault that ships. A new one is added here.
    public static let kinds: [any Fault.Type] = [
        SecurityGroupRuleFault.self, LinkDownFault.self, NodePauseFault.self, NodeCrashFault.self,
        AgentKillFault.self, NetemFault.self, KubeProxyResidueFault.self,
        APIServerDownFault.self, APIServerSlowFault.self, EtcdSlowFault.self, SchedulerDownFault.self,
        ControllerManagerDownFault.self, OperatorDownFault.self, CloudControllerDownFault.self,
    ]

    /// The faults that ship.
    public static let shipped = FaultCatalogue(kinds)

    private let kinds: [any Fault.Type]

    public init(_ kinds: [any Fault.Type]) {
        self.kinds = kinds
    }

    /// What the parser, the schema and `explain` need to know of the faults.
    public var descriptors: [FaultDescriptor] { kinds.map { $0.descriptor } }

    /// The fault of a call's kind.
    /// - Throws: `FaultError` when there is none.
    public func kind(of call: FaultCall) throws -> any Fault.Type {
        guard let kind = kinds.first(where: { $0.descriptor.kind == call.kind }) else {
            throw FaultError(call, "unknown kind \(call.kind)")
        }
        return kind
    }
}
