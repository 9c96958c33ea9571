/// The options of the datapath under the names of Cilium's Helm values, nested in the same way. An option that is not
/// given has Cilium's default. `OptionCatalogue` says which values of each option have an effect.
public struct DatapathOptions: Codable, Sendable, Hashable {
    // MARK: Routing
    public var routingMode = RoutingMode.tunnel
    public var tunnelProtocol = TunnelProtocol.vxlan
    /// The UDP port of the tunnel. 0 means 8472 for VXLAN and 6081 for Geneve.
    public var tunnelPort: UInt16 = 0
    /// The MTU of the underlay. 0 means that it is read from the device.
    public var MTU = 0
    public var autoDirectNodeRoutes = false
    /// The range that is reached without masquerade under native routing. It may be empty.
    public var ipv4NativeRoutingCIDR = ""
    /// The interfaces that carry traffic from and to the outside. If the list is empty, it is the interface with the
    /// node's address.
    public var devices: [String] = []
    public var ipv4 = Family(enabled: true)
    public var ipv6 = Family(enabled: false)

    // MARK: Masquerade
    public var enableIPv4Masquerade = true
    public var enableIPv6Masquerade = true
    /// The interfaces whose egress iptables masquerades. A trailing `+` matches any suffix. An empty list means all
    /// interfaces.
    public var egressMasqueradeInterfaces: [String] = []
    public var ipMasqAgent = IPMasqAgent()

    // MARK: Services
    public var kubeProxyReplacement = KubeProxyReplacement.false
    public var socketLB = SocketLB()
    public var nodePort = NodePort()
    public var hostPort = Switch()
    public var externalIPs = Switch()
    public var loadBalancer = LoadBalancer()
    public var maglev = Maglev()
    /// Whether a backend that is terminating keeps its established connections.
    public var enableK8sTerminatingEndpoint = true

    // MARK: BPF
    public var bpf = BPF()
    public var conntrackGCInterval = ""
    public var bandwidthManager = BandwidthManager()

    // MARK: Addresses
    public var ipam = IPAM()
    public var eni = ENI()

    // MARK: Policy
    public var policyEnforcementMode = PolicyEnforcementMode.default
    public var policyAuditMode = false
    public var l7Proxy = true
    public var dnsProxy = DNSProxy()

    // MARK: Surroundings
    public var cni = CNI()
    public var debug = Switch()
    /// The IPv4 address at which agents look for the API server. Empty means the address of the lab's own.
    public var k8sServiceHost = ""
    /// The port there. 0 means the port of the lab's own.
    public var k8sServicePort: UInt16 = 0
    public var prometheus = Prometheus()
    public var installIptablesRules = true
    public var installNoConntrackIptablesRules = false
    /// Options that no chart has, for the lab only.
    public var labrun = Labrun()

    public init() {}
}

extension DatapathOptions {
    public enum RoutingMode: String, Codable, Sendable, Hashable, CaseIterable { case tunnel, native }

    public enum TunnelProtocol: String, Codable, Sendable, Hashable, CaseIterable {
        case vxlan, geneve

        /// The UDP destination port unless another one is configured: Linux' own for VXLAN, and IANA's for Geneve (RFC
        /// 8926).
        public var standardPort: UInt16 { self == .vxlan ? 8472 : 6081 }
    }

    /// Today's values are `true` and `false`. Versions before 1.16 had `strict`, `probe`, `partial` and `disabled`.
    public enum KubeProxyReplacement: String, Codable, Sendable, Hashable, CaseIterable {
        case `true`, `false`, strict, probe, partial, disabled

        /// Whether the datapath handles services of every type. With `probe` it handles what the kernel can do, and
        /// with `partial` only the types that are switched on one by one.
        public var isComplete: Bool { self == .true || self == .strict }
        /// Whether the datapath handles no service except ClusterIP for pods.
        public var isOff: Bool { self == .false || self == .disabled }
    }

    public enum PolicyEnforcementMode: String, Codable, Sendable, Hashable, CaseIterable {
        case `default`, always, never
    }

    public struct Family: Codable, Sendable, Hashable { public var enabled: Bool }

    public struct Switch: Codable, Sendable, Hashable { public var enabled = false }

    public struct SocketLB: Codable, Sendable, Hashable {
        public var enabled = false
        /// Whether it is only for processes of the node itself, while pods are served packet by packet.
        public var hostNamespaceOnly = false
    }

    public struct NodePort: Codable, Sendable, Hashable {
        public var enabled = false
        /// The first and the last port, `30000,32767`.
        public var range = "30000,32767"
        public var bindProtection = true
        public var enableHealthCheck = true
    }

    public struct LoadBalancer: Codable, Sendable, Hashable {
        public enum Mode: String, Codable, Sendable, Hashable, CaseIterable { case snat, dsr, hybrid }
        public enum Algorithm: String, Codable, Sendable, Hashable, CaseIterable { case random, maglev }
        public enum DSRDispatch: String, Codable, Sendable, Hashable, CaseIterable { case opt, ipip, geneve }
        public enum Acceleration: String, Codable, Sendable, Hashable, CaseIterable {
            case disabled, native
            case bestEffort = "best-effort"
        }
        public var mode = Mode.snat
        public var algorithm = Algorithm.random
        public var dsrDispatch = DSRDispatch.opt
        public var acceleration = Acceleration.disabled
    }

    public struct Maglev: Codable, Sendable, Hashable {
        /// The size of a table: one of the prime numbers that Cilium accepts.
        public var tableSize = 16381
        /// The seed, 12 octets in base64. If it is empty, Cilium's own is used.
        public var hashSeed = ""
    }

    public struct IPMasqAgent: Codable, Sendable, Hashable {
        public struct Config: Codable, Sendable, Hashable {
            public var nonMasqueradeCIDRs: [String] = []
            public var masqLinkLocal = false
        }
        public var enabled = false
        public var config = Config()
    }

    public struct BPF: Codable, Sendable, Hashable {
        public enum MonitorAggregation: String, Codable, Sendable, Hashable, CaseIterable {
            case none, low, medium, maximum
        }
        /// What the programs report to the agent, beside counting it.
        public struct Events: Codable, Sendable, Hashable {
            public var drop = Switch(enabled: true)
            /// Whether packets that are forwarded are reported at every trace point. If it is false, none are until
            /// somebody asks for them, and established flows are served by the flow cache.
            public var trace = Switch(enabled: true)
        }
        public var masquerade = false
        public var hostLegacyRouting = false
        public var lbExternalClusterIP = false
        public var tproxy = false
        public var monitorAggregation = MonitorAggregation.medium
        public var events = Events()
        /// Entries of the maps.
        public var ctTcpMax = 524_288
        public var ctAnyMax = 262_144
        public var natMax = 524_288
        public var neighMax = 524_288
        public var policyMapMax = 16_384
        public var lbMapMax = 65_536
    }

    public struct Labrun: Codable, Sendable, Hashable {
        /// The names of features (`KernelFeature`) that the agent treats as missing on any kernel.
        public var maskedKernelFeatures: [String] = []
    }

    public struct BandwidthManager: Codable, Sendable, Hashable {
        public var enabled = false
        public var bbr = false
    }

    public struct IPAM: Codable, Sendable, Hashable {
        public enum Mode: String, Codable, Sendable, Hashable, CaseIterable {
            case kubernetes, eni
            case clusterPool = "cluster-pool"
        }
        public struct Operator: Codable, Sendable, Hashable {
            /// The pools of pods' addresses. If the list is empty, the lab's pod range is used.
            public var clusterPoolIPv4PodCIDRList: [String] = []
            public var clusterPoolIPv4MaskSize = 24
        }
        public var mode = Mode.clusterPool
        public var `operator` = Operator()
    }

    public struct ENI: Codable, Sendable, Hashable {
        public struct NodeSpec: Codable, Sendable, Hashable {
            /// The number of the first interface whose addresses are given to pods.
            public var firstInterfaceIndex = 0
        }
        public var enabled = false
        public var awsEnablePrefixDelegation = false
        public var awsReleaseExcessIPs = false
        public var updateEC2AdapterLimitViaAPI = true
        public var nodeSpec = NodeSpec()
        /// How many free addresses a node keeps. The default is the cloud's own.
        public var preAllocate = 8
        public var minAllocate = 0
        public var maxAboveWatermark = 0
    }

    public struct DNSProxy: Codable, Sendable, Hashable {
        public enum RejectResponseCode: String, Codable, Sendable, Hashable, CaseIterable {
            case refused, nameError
        }
        /// The answer to a pod that asks for a name that its policy does not allow.
        public var dnsRejectResponseCode = RejectResponseCode.refused
        public var enableTransparentMode = true
        public var minTtl = 0
        public var proxyResponseMaxDelay = "100ms"
    }

    public struct CNI: Codable, Sendable, Hashable {
        public enum ChainingMode: String, Codable, Sendable, Hashable, CaseIterable {
            case none, portmap, flannel
            case awsCNI = "aws-cni"
            case genericVeth = "generic-veth"
        }
        public var chainingMode = ChainingMode.none
        /// The name of the CNI network whose plugins come before this one. It may be empty.
        public var chainingTarget = ""
        /// The mode that is meant. As in the chart, a target without a mode means generic-veth.
        public var effectiveChainingMode: ChainingMode {
            chainingMode == .none && !chainingTarget.isEmpty ? .genericVeth : chainingMode
        }
        public var exclusive = true
    }

    public struct Prometheus: Codable, Sendable, Hashable {
        public var enabled = false
        public var port: UInt16 = 9962
    }
}
