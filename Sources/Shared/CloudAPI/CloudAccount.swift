/// What the owner of the cloud's machines may ask, with EC2's names: a cloud controller and an autoscaler, from the
/// address of the control plane.
///
/// A `POST` to `CloudService.accountPath` of an `AccountRequest` as JSON is answered by 200 with an `AccountReply`, or
/// by 400 with a `CloudFailure`. Nobody but the control plane's address is answered.
public enum AccountAction: String, Codable, Sendable, CaseIterable {
    /// All machines that there are or have been, with the state that they are in.
    case describeInstances = "DescribeInstances"
    /// The types of machines that may be started.
    case describeInstanceTypes = "DescribeInstanceTypes"
    /// Starts one machine. The answer comes at once; the machine is `pending` until it runs.
    case runInstances = "RunInstances"
    /// Stops a machine for ever. The answer comes at once; the machine is `shutting-down` until it is `terminated`.
    case terminateInstances = "TerminateInstances"
    /// Makes a load balancer, or gives one other listeners and targets.
    case putLoadBalancer = "PutLoadBalancer"
    case deleteLoadBalancer = "DeleteLoadBalancer"
    /// All load balancers, with the health of their targets.
    case describeLoadBalancers = "DescribeLoadBalancers"
    /// Adds a route to the VPC's route table.
    case createRoute = "CreateRoute"
    case deleteRoute = "DeleteRoute"
    /// The routes of the VPC's route table besides those of its subnets.
    case describeRouteTables = "DescribeRouteTables"
}

/// One request. What an action does not need is left out.
public struct AccountRequest: Codable, Sendable, Equatable {
    public var action: AccountAction
    /// The type of a machine to start.
    public var instanceType: String?
    /// A text by which a request that is made again is known: it starts no second machine.
    public var clientToken: String?
    /// What the machine's kubelet registers with.
    public var kubelet: KubeletUserData?
    /// The machine to stop.
    public var instanceID: String?
    public var loadBalancer: CloudLoadBalancer?
    /// The route to add, or to delete: of that, only the destination counts.
    public var route: CloudRoute?

    public init(
        _ action: AccountAction, instanceType: String? = nil, clientToken: String? = nil,
        kubelet: KubeletUserData? = nil, instanceID: String? = nil, loadBalancer: CloudLoadBalancer? = nil,
        route: CloudRoute? = nil
    ) {
        self.action = action
        self.instanceType = instanceType
        self.clientToken = clientToken
        self.kubelet = kubelet
        self.instanceID = instanceID
        self.loadBalancer = loadBalancer
        self.route = route
    }
}

/// What user data says to a machine's kubelet (`--node-labels`, `--register-with-taints`).
public struct KubeletUserData: Codable, Sendable, Hashable {
    public struct Taint: Codable, Sendable, Hashable {
        public var key: String
        public var value: String
        public var effect: String
        public init(key: String, value: String, effect: String) {
            self.key = key
            self.value = value
            self.effect = effect
        }
    }
    public var labels: [String: String]
    public var taints: [Taint]

    public init(labels: [String: String] = [:], taints: [Taint] = []) {
        self.labels = labels
        self.taints = taints
    }
}

/// A machine of the cloud.
public struct CloudMachine: Codable, Sendable, Hashable {
    /// EC2's names of the states.
    public enum State: String, Codable, Sendable {
        case pending
        case running
        case shuttingDown = "shutting-down"
        case terminated
        case stopped
    }
    /// `i-` and 17 hexadecimal digits.
    public var instanceID: String
    /// The name that its node has.
    public var node: String
    public var state: State
    public var instanceType: String
    public var zone: String
    public var region: String
    public var privateAddress: String
    /// The address under which the internet finds it; empty without an internet gateway.
    public var publicAddress: String
    /// The name that the VPC's resolver has for it.
    public var privateName: String
    /// Why it could not be started, or has ended by itself; empty otherwise.
    public var stateReason: String
    /// The text that the request to start it came with; empty for a machine that was there from the beginning.
    public var clientToken: String

    public init(
        instanceID: String, node: String, state: State, instanceType: String, zone: String, region: String,
        privateAddress: String, publicAddress: String = "", privateName: String = "", stateReason: String = "",
        clientToken: String = ""
    ) {
        self.instanceID = instanceID
        self.node = node
        self.state = state
        self.instanceType = instanceType
        self.zone = zone
        self.region = region
        self.privateAddress = privateAddress
        self.publicAddress = publicAddress
        self.privateName = privateName
        self.stateReason = stateReason
        self.clientToken = clientToken
    }

    /// `aws:///lab-1a/i-0123…`, as a node's `spec.providerID` has it.
    public var providerID: String { "aws:///\(zone)/\(instanceID)" }
}

/// A type of machine that the cloud can start.
public struct CloudMachineType: Codable, Sendable, Hashable {
    /// For example `t3.medium`.
    public var name: String
    /// `lab-1a`
    public var zone: String
    /// `lab-1`
    public var region: String
    /// `amd64`
    public var architecture: String
    /// Quantities by resource: `cpu`, `memory`, `pods`, …
    public var capacity: [String: String]
    /// What of it pods may have.
    public var allocatable: [String: String]

    public init(
        name: String, zone: String, region: String, architecture: String = "amd64", capacity: [String: String],
        allocatable: [String: String]
    ) {
        self.name = name
        self.zone = zone
        self.region = region
        self.architecture = architecture
        self.capacity = capacity
        self.allocatable = allocatable
    }
}

/// A load balancer of the cloud: connections to its address are passed on to healthy targets.
public struct CloudLoadBalancer: Codable, Sendable, Hashable {
    /// A port of the balancer, and the port of the targets that it leads to.
    public struct Listener: Codable, Sendable, Hashable {
        public enum Transport: String, Codable, Sendable {
            case tcp = "TCP"
            case udp = "UDP"
        }
        public var transport: Transport
        public var port: UInt16
        public var targetPort: UInt16
        public init(_ transport: Transport = .tcp, port: UInt16, targetPort: UInt16) {
            self.transport = transport
            self.port = port
            self.targetPort = targetPort
        }
    }
    public struct Target: Codable, Sendable, Hashable {
        public var address: String
        /// Nil until it has been asked.
        public var isHealthy: Bool?
        public init(address: String, isHealthy: Bool? = nil) {
            self.address = address
            self.isHealthy = isHealthy
        }
    }
    /// The name that the controller gives it, which is unique.
    public var name: String
    public var listeners: [Listener]
    public var targets: [Target]
    /// The port that is asked for health over HTTP (`/healthz`). Nil where a TCP connection is made instead, to the
    /// first TCP listener's target port, or to `kubeletPort` if all listeners are UDP.
    public var healthPort: UInt16?
    /// Its address; empty in requests.
    public var address: String

    /// The port of a node that takes TCP connections whatever its pods do: the kubelet's.
    public static let kubeletPort: UInt16 = 10_250

    public init(
        name: String, listeners: [Listener], targets: [Target], healthPort: UInt16? = nil, address: String = ""
    ) {
        self.name = name
        self.listeners = listeners
        self.targets = targets
        self.healthPort = healthPort
        self.address = address
    }
}

/// The answer to a request that was taken.
public struct AccountReply: Codable, Sendable, Equatable {
    public var machines: [CloudMachine]?
    public var types: [CloudMachineType]?
    public var loadBalancers: [CloudLoadBalancer]?
    public var routes: [CloudRoute]?

    public init(
        machines: [CloudMachine]? = nil, types: [CloudMachineType]? = nil, loadBalancers: [CloudLoadBalancer]? = nil,
        routes: [CloudRoute]? = nil
    ) {
        self.machines = machines
        self.types = types
        self.loadBalancers = loadBalancers
        self.routes = routes
    }
}
