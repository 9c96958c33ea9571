import Datapath
import DatapathModel
import NetAddress

/// A program by the object that holds it.
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

    /// Where it is entered, and the direction that it counts.
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

/// Verdicts of tc programs, `linux/pkt_cls.h`.
package enum Verdict: Int32, Sendable {
    case pass = 0
    case drop = 2
    case redirect = 7
}

/// What a packet must meet: the program, the state of the maps, the packet; and what must come of it, all of it
/// exactly.
package struct SelftestCase: Sendable {
    let name: String
    let program: TestedProgram
    var setup = Setup.complete
    /// What a program receives for a pod it delivers itself.
    var isDelivered = false
    /// State of address translation; nil: off.
    var nat: NATSetup?
    var policy = TestPolicy()
    /// The pod's egress rate; nil: none.
    var bandwidth: TestBandwidth?
    /// Packets that went before, in the same state.
    var prior: [Prior] = []
    let packet: [UInt8]
    var mark: UInt32 = 0
    /// The VNI with which the VXLAN device would hand the packet over; nil: it comes without a tunnel key.
    var tunnelIdentifier: UInt32?
    let verdict: Verdict
    /// The packet afterwards; nil: unchanged.
    var output: [UInt8]?
    /// `skb->mark` afterwards.
    var outputMark: UInt32 = 0
    /// The events, in order; each is counted as a metric as well.
    var events: [ExpectedEvent] = []
    /// Whether the setup leaves only drops to be reported.
    var isUntraced: Bool { setup == .quiet || setup == .aggregating }
    /// Counted without an event.
    var silent: Reason?
    /// The connections that are known before; everything else is forgotten.
    var connections: [TestConnection] = []
    /// The connections that are known afterwards; nil: not looked at.
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
        /// The configuration asks for no traces: metrics only.
        case quiet
        /// Services are translated.
        case services
        /// Calls of services from outside are translated too.
        case nodeServices
        /// The same without an overlay, where packets may have `TestNode.narrowMTU` octets at most.
        case nativeNodeServices
        /// Of TCP, it asks for the segments that open and close connections only.
        case aggregating
        /// Packets of pods may have `TestNode.narrowMTU` octets at most.
        case narrow
        /// kube-proxy serves, so that flows pass netfilter in both directions.
        case forwarded
        /// Without an overlay.
        case native
        /// Another plugin made the pods' interfaces.
        case chained
        /// The neighbour's interface has no entry.
        case unknownNeighbour
    }
}

/// The fields of an event that a case decides; the rest (time, line) is checked to be present.
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
    /// What conntrack says of the packet.
    var connection: ConnectionVerdict?
    /// File of the drop.
    var file: String?
    /// Number of the policy rule that decided.
    var rule: UInt32 = 0
    /// Where it was seen; the programs run on the pod's.
    var interface = TestNode.podInterface
    /// Which it counts under; nil: the program's own.
    var direction: TrafficDirection?
}

/// An entry of the conntrack tables, with the time it has left instead of the time at which it ends.
package struct TestConnection: Sendable, Hashable {
    let key: ConnectionKey
    var state = ConnectionState.opening
    var flags: ConnectionEntry.Flags = []
    /// Seconds; negative: expired, and not collected yet.
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

    /// Nil when it is in a state that this build does not know.
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
    /// What an event that was read says of the same fields.
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
