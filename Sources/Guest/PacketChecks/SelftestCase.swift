import Datapath
import DatapathModel
import NetAddress

/// A program, named after the object that holds it and its section.
package enum TestedProgram: String, CaseIterable, Sendable {
    case fromContainer = "from_container"
    case toContainer = "to_container"
    case fromOverlay = "from_overlay"
    case toOverlay = "to_overlay"
    case fromHost = "from_host"
    case toProxy = "to_proxy"
    case toNetdev = "to_netdev"
    case fromNetdev = "from_netdev"

    var object: EmbeddedObject {
        switch self {
        case .fromContainer, .toContainer: .lxc
        case .fromOverlay, .toOverlay: .overlay
        case .fromHost, .toProxy, .toNetdev, .fromNetdev: .host
        }
    }

    /// The trace point at which packets enter the program, and the direction under which it counts them.
    var entry: (point: TracePoint, direction: TrafficDirection) {
        switch self {
        case .fromContainer: (.fromEndpoint, .egress)
        case .toContainer: (.toEndpoint, .ingress)
        case .fromOverlay: (.fromOverlay, .ingress)
        case .toOverlay: (.toOverlay, .egress)
        case .fromHost: (.fromHost, .egress)
        case .toProxy: (.toProxy, .ingress)
        case .toNetdev: (.toNetwork, .egress)
        case .fromNetdev: (.fromNetwork, .ingress)
        }
    }
}

/// The verdicts of tc programs, from `linux/pkt_cls.h`.
package enum Verdict: Int32, Sendable {
    case pass = 0
    case drop = 2
    case redirect = 7
}

/// One check: a program, the state of the maps and a packet, with everything that must result, exactly.
package struct SelftestCase: Sendable {
    let name: String
    let program: TestedProgram
    var setup = Setup.complete
    /// Whether the program that receives a packet for the pod delivers it itself.
    var isDelivered = false
    /// The state of address translation, or nil if it is off.
    var nat: NATSetup?
    var policy = TestPolicy()
    /// The pod's egress rate, or nil without one.
    var bandwidth: TestBandwidth?
    /// The packets that went before, in the same state.
    var prior: [Prior] = []
    let packet: [UInt8]
    var mark: UInt32 = 0
    /// The VNI with which the VXLAN device would hand the packet over, or nil for a packet without a tunnel key.
    var tunnelIdentifier: UInt32?
    let verdict: Verdict
    /// The packet after the run, or nil if it must be unchanged.
    var output: [UInt8]?
    /// `skb->mark` after the run.
    var outputMark: UInt32 = 0
    /// The events in order. Each is also counted as a metric.
    var events: [ExpectedEvent] = []
    /// Whether the setup reports drops only.
    var isUntraced: Bool { setup == .quiet || setup == .aggregating }
    /// The reason that is counted without an event.
    var silent: Reason?
    /// The connections that are known before the run. All others are forgotten.
    var connections: [TestConnection] = []
    /// The connections that are known after the run, or nil if they are not compared.
    var connectionsAfter: [TestConnection]?

    struct Prior: Sendable {
        let program: TestedProgram
        let packet: [UInt8]

        init(_ program: TestedProgram, _ packet: [UInt8]) {
            self.program = program
            self.packet = packet
        }
    }

    package enum Setup: Sendable {
        case complete
        /// The agent has not written its configuration yet.
        case unconfigured
        /// The interface has no entry.
        case unknownInterface
        /// The configuration asks for no traces, only for metrics.
        case quiet
        /// Services are translated.
        case services
        /// Calls of services from outside are also translated.
        case nodeServices
        /// As `nodeServices`, but without an overlay, where packets may have at most `TestNode.narrowMTU` octets.
        case nativeNodeServices
        /// Of TCP, the configuration asks only for traces of the segments that open and close connections.
        case aggregating
        /// Packets of pods may have at most `TestNode.narrowMTU` octets.
        case narrow
        /// kube-proxy serves, so flows pass netfilter in both directions.
        case forwarded
        /// There is no overlay.
        case native
        /// Another plugin made the pods' interfaces.
        case chained
        /// The neighbour's interface has no entry.
        case unknownNeighbour
    }
}

/// The fields of an event that a case determines. The others, time and line, only have to be present.
struct ExpectedEvent: Sendable, Equatable {
    var reason = Reason.forwarded
    var point: TracePoint
    var source: IPv4Address?
    var destination: IPv4Address?
    var sourceIdentity = Identity.unknown
    var destinationIdentity = Identity.unknown
    var transport: EventRecord.Transport?
    var tunnelRemote: IPv4Address?
    var tunnelIdentifier: UInt32?
    /// The verdict of conntrack on the packet.
    var connection: ConnectionVerdict?
    /// The source file that reports the drop.
    var file: String?
    /// The number of the policy rule that decided.
    var rule: UInt32 = 0
    /// The interface on which it was seen. The programs run on the pod's.
    var interface = TestNode.podInterface
    /// The direction under which it is counted, or nil for the program's own.
    var direction: TrafficDirection?
}

/// An entry of the conntrack tables, with the time that it has left in place of the time at which it ends.
package struct TestConnection: Sendable, Hashable {
    let key: ConnectionKey
    var state = ConnectionState.opening
    var flags: ConnectionEntry.Flags = []
    /// The seconds that are left. A negative number is an entry that has expired and was not collected yet.
    var seconds: Int
    var identity: Identity
    var reverseIndex: UInt16 = 0
    var backend: UInt32 = 0
    var policyRevision: UInt32 = 0

    func entry(now: Int) -> ConnectionEntry {
        ConnectionEntry(
            state: state, flags: flags, expires: UInt32(max(0, now + seconds)), sourceIdentity: identity,
            reverseIndex: reverseIndex, backend: backend, policyRevision: policyRevision)
    }

    /// The result is nil for an entry in a state that this build does not know.
    init?(key: ConnectionKey, _ entry: ConnectionEntry, now: Int) {
        guard let state = entry.state else { return nil }
        self.init(
            key: key, state: state, flags: entry.flags, seconds: Int(entry.expires) - now,
            identity: entry.sourceIdentity, reverseIndex: entry.reverseIndex, backend: entry.backend,
            policyRevision: entry.policyRevision)
    }

    init(
        key: ConnectionKey, state: ConnectionState = .opening, flags: ConnectionEntry.Flags = [], seconds: Int,
        identity: Identity, reverseIndex: UInt16 = 0, backend: UInt32 = 0, policyRevision: UInt32 = 0
    ) {
        self.key = key
        self.state = state
        self.flags = flags
        self.seconds = seconds
        self.identity = identity
        self.reverseIndex = reverseIndex
        self.backend = backend
        self.policyRevision = policyRevision
    }
}

extension ExpectedEvent {
    /// Takes the same fields from an event that was read.
    init(_ event: EventRecord) {
        reason = event.reason
        point = event.point ?? .toEndpoint
        source = event.source
        destination = event.destination
        sourceIdentity = event.sourceIdentity
        destinationIdentity = event.destinationIdentity
        transport = event.transport
        tunnelRemote = event.tunnel?.remote
        tunnelIdentifier = event.tunnel?.identifier
        connection = event.connection
        file = event.location.map { String($0.description.prefix { $0 != ":" }) }
        rule = event.rule
        interface = event.interface
        direction = event.direction
    }
}
