import AgentAPI
import DatapathModel
import KubeObjects
import NetAddress

/// A part of the datapath that owns its state: a folder of its own, and a line in `DatapathFeatures`.
///
/// The agent calls a feature with its lock held, so a feature needs no lock. `core` has what all features share:
/// settings, devices, endpoints, identities, objects, programs and maps. What a feature does not need, it leaves out.
protocol DatapathFeature: AnyObject {
    /// For messages and problems: `services`.
    var name: String { get }
    /// Kinds of objects that it follows.
    var kinds: Set<ObjectKind> { get }
    /// Whether it still reads its objects, so that a start goes on without them. Who reads them then calls `follow`.
    var isReading: Bool { get }

    /// Takes over what an earlier agent left in the kernel and on disk, before endpoints are restored.
    func restore(_ core: inout AgentCore) throws

    /// Makes kernel and maps say what the options ask for: at a start, and when devices were made anew.
    func configure(_ core: inout AgentCore) throws

    /// Follows changes of objects. At a start it is called once, with all of them, before programs are attached. What
    /// the objects are now stands in `core.objects`.
    ///
    /// - Throws: what could not be followed. It stays in the status until a later call succeeds, which is given what
    ///   this one missed as well.
    func follow(_ delta: ObjectDelta, _ core: inout AgentCore) throws

    /// The cluster has other nodes, or they have other addresses.
    func nodesChanged(_ core: inout AgentCore) throws

    /// At a start, when all objects were followed and before programs are attached to devices.
    func activate(_ core: inout AgentCore) throws

    /// An endpoint's maps are filled and its interface is about to go up. It is not in `core.endpoints` yet.
    func connect(_ newcomer: EndpointRecord, _ core: inout AgentCore) throws

    /// An endpoint was taken away.
    func disconnect(_ core: inout AgentCore) throws

    /// Makes the kernel's rules for routing right.
    ///
    /// - Parameter newcomer: an endpoint that is being connected.
    func route(newcomer: EndpointRecord?, _ core: inout AgentCore) throws

    /// Gives up what no flow of the conntrack tables uses any more.
    func collect(_ inUse: FlowsInUse, _ core: inout AgentCore) throws

    /// What is not as the options ask for, a sentence each. `configure` is called to mend it.
    func problems(_ core: borrowing AgentCore) throws -> [String]

    /// Adds to what `status` tells.
    func describe(_ core: borrowing AgentCore, in status: inout AgentStatus)
}

extension DatapathFeature {
    var kinds: Set<ObjectKind> { [] }
    var isReading: Bool { false }
    func restore(_ core: inout AgentCore) throws {}
    func configure(_ core: inout AgentCore) throws {}
    func follow(_ delta: ObjectDelta, _ core: inout AgentCore) throws {}
    func nodesChanged(_ core: inout AgentCore) throws {}
    func activate(_ core: inout AgentCore) throws {}
    func connect(_ newcomer: EndpointRecord, _ core: inout AgentCore) throws {}
    func disconnect(_ core: inout AgentCore) throws {}
    func route(newcomer: EndpointRecord?, _ core: inout AgentCore) throws {}
    func collect(_ inUse: FlowsInUse, _ core: inout AgentCore) throws {}
    func problems(_ core: borrowing AgentCore) throws -> [String] { [] }
    func describe(_ core: borrowing AgentCore, in status: inout AgentStatus) {}
}

/// What live entries of the conntrack tables refer to.
struct FlowsInUse {
    /// Numbers of services' backends.
    var backends: Set<UInt32> = []
    /// Addresses that pods have connections to.
    var destinations: Set<IPv4Address> = []
}

/// Every feature of the datapath. Those that others ask have a name here; the rest only stand in `all`.
struct DatapathFeatures {
    let services: ServicesFeature
    let policy: PolicyFeature
    let proxy: ProxyFeature
    let masquerade = MasqueradeFeature()

    /// In the order in which they are called.
    let all: [any DatapathFeature]

    init(services: ServicesFeature, proxy: ProxyFeature) {
        self.services = services
        self.proxy = proxy
        policy = PolicyFeature()
        all = [services, policy, proxy, masquerade, BandwidthFeature(), InterfacesFeature()]
    }
}

extension AgentCore {
    /// Calls the features that follow what changed. One that fails keeps no other from its turn; its error stays in the
    /// status until it succeeds, and it then gets what it missed, too.
    mutating func followObjects(_ delta: ObjectDelta, by followers: [any DatapathFeature]? = nil) {
        for feature in followers ?? features.all {
            let missed = missedObjects[feature.name]
            guard delta.touches(feature.kinds) || missed != nil else { continue }
            let due = missed.map(delta.union) ?? delta
            do {
                try feature.follow(due, &self)
                missedObjects[feature.name] = nil
                objectProblems[feature.name] = nil
            } catch {
                Log.error("objects not taken over", ["by": feature.name, "error": "\(error)"])
                missedObjects[feature.name] = due
                objectProblems[feature.name] = "\(error)"
            }
        }
    }

    mutating func configureFeatures() throws {
        for feature in features.all { try feature.configure(&self) }
    }

    func featureProblems() throws -> [String] {
        var problems: [String] = []
        for feature in features.all { problems += try feature.problems(self) }
        return problems
    }
}
