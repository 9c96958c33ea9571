import AgentAPI
import DatapathModel
import KubeObjects
import NetAddress

/// A part of the datapath that owns its state. It is a folder of its own, and a line in `DatapathFeatures`.
///
/// The agent calls a feature with its lock held, so a feature needs no lock. `core` has what all features share:
/// settings, devices, endpoints, identities, objects, programs and maps. A feature implements only the methods that it
/// needs.
protocol DatapathFeature: AnyObject {
    /// The name for messages and problems, such as `services`.
    var name: String { get }
    /// The kinds of objects that it follows.
    var kinds: Set<ObjectKind> { get }
    /// True while it still reads its objects, so that a start does not wait for them. It calls `follow` itself when it
    /// is done.
    var isReading: Bool { get }

    /// Takes over what an earlier agent left in the kernel and on disk, before endpoints are restored.
    func restore(_ core: inout AgentCore) throws

    /// Brings kernel and maps in line with the options. It is called at a start, and when devices were created anew.
    func configure(_ core: inout AgentCore) throws

    /// Follows changes of objects. At a start it is called once, with all of them, before programs are attached.
    /// `core.objects` has the present objects.
    ///
    /// - Throws: The reason why the changes could not be followed. It stays in the status until a later call succeeds,
    ///   and that call is given the missed changes, too.
    func follow(_ delta: ObjectDelta, _ core: inout AgentCore) throws

    /// Called when the cluster's nodes or their addresses changed.
    func nodesChanged(_ core: inout AgentCore) throws

    /// Called at a start, after all objects were followed and before programs are attached to devices.
    func activate(_ core: inout AgentCore) throws

    /// Called when an endpoint's maps are filled and its interface is about to go up. It is not in `core.endpoints`
    /// yet.
    func connect(_ newcomer: EndpointRecord, _ core: inout AgentCore) throws

    /// Called after an endpoint was removed.
    func disconnect(_ core: inout AgentCore) throws

    /// Brings the kernel's routing rules in line.
    ///
    /// - Parameter newcomer: An endpoint that is being connected.
    func route(newcomer: EndpointRecord?, _ core: inout AgentCore) throws

    /// Removes what no flow in the conntrack tables uses any more.
    func collect(_ inUse: FlowsInUse, _ core: inout AgentCore) throws

    /// Returns a sentence for each thing that is not as the options ask for. `configure` is then called to mend it.
    func problems(_ core: borrowing AgentCore) throws -> [String]

    /// Adds to the content of `status`.
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
    /// The numbers of services' backends.
    var backends: Set<UInt32> = []
    /// The addresses that pods have connections to.
    var destinations: Set<IPv4Address> = []
}

/// All features of the datapath. Those that others use have a name here. The rest are only in `all`.
struct DatapathFeatures {
    let services: ServicesFeature
    let policy: PolicyFeature
    let proxy: ProxyFeature
    let masquerade = MasqueradeFeature()
    let healthChecks = HealthCheckFeature()
    let gateways = GatewayFeature()

    /// The order is that in which they are called.
    let all: [any DatapathFeature]

    init(services: ServicesFeature, proxy: ProxyFeature) {
        self.services = services
        self.proxy = proxy
        policy = PolicyFeature()
        all = [
            services, healthChecks, gateways, policy, proxy, masquerade, BandwidthFeature(), InterfacesFeature(),
        ]
    }
}

extension AgentCore {
    /// Calls the features that follow what changed. A failure of one does not keep another from its turn. Its error
    /// stays in the status until it succeeds, and it is then given the missed changes, too.
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
