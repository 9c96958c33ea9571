/// The options of the datapath by the names of Cilium's Helm values, nested as there; what is not given has Cilium's
/// default. `OptionCatalogue` says of each which values act.
public struct DatapathOptions: Codable, Sendable, Hashable {
    // MARK: Routing
    public var routingMode = RoutingMode.tunnel
    public var tunnelProtocol = TunnelProtocol.vxlan
    /// UDP port of the tunnel; 0: 8472 for VXLAN, 6081 for Geneve.
    public var tunnelPort: UInt16 = 0
    /// MTU of the underlay; 0: read from the device.
    public var MTU = 0
    public var autoDirectNodeRoutes = false
    /// Range that is reached without masquerade under native routing; empty: none.
    public var ipv4NativeRoutingCIDR = ""
    /// Interfaces that carry traffic from and to the outside; empty: the one of the node's address.
    public var devices: [String] = []
    public var ipv4 = Family(enabled: true)
    public var ipv6 = Family(enabled: false)

    // MARK: Masquerade
    public var enableIPv4Masquerade = true
    public var enableIPv6Masquerade = true
    /// Interfaces whose egress is masqueraded by iptables; a trailing `+` matches any suffix. Empty: all.
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
    /// Time that a backend which is going away keeps its established connections.
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
    public var prometheus = Prometheus()
    public var installIptablesRules = true
    public var installNoConntrackIptablesRules = false
    /// What no chart has: the lab's own.
    public var labrun = Labrun()

    public init() {}
}

extension DatapathOptions {
    public enum RoutingMode: String, Codable, Sendable, Hashable, CaseIterable { case tunnel, native }

    public enum TunnelProtocol: String, Codable, Sendable, Hashable, CaseIterable {
        case vxlan, geneve

        /// UDP destination port unless configured otherwise: Linux' own for VXLAN, IANA's for Geneve (RFC 8926).
        public var standardPort: UInt16 { self == .vxlan ? 8472 : 6081 }
    }

    /// `true` and `false` of today, `strict`, `probe`, `partial` and `disabled` of the versions before 1.16.
    public enum KubeProxyReplacement: String, Codable, Sendable, Hashable, CaseIterable {
        case `true`, `false`, strict, probe, partial, disabled

        /// Services of every type are the datapath's. With `probe` as far as the kernel can, with `partial` only the
        /// types that are switched on each.
        public var isComplete: Bool { self == .true || self == .strict }
        /// The datapath handles no service but ClusterIP for pods.
        public var isOff: Bool { self == .false || self == .disabled }
    }

    public enum PolicyEnforcementMode: String, Codable, Sendable, Hashable, CaseIterable {
        case `default`, always, never
    }

    public struct Family: Codable, Sendable, Hashable { public var enabled: Bool }

    public struct Switch: Codable, Sendable, Hashable { public var enabled = false }

    public struct SocketLB: Codable, Sendable, Hashable {
        public var enabled = false
        /// Only for processes of the node itself; pods are served packet by packet.
        public var hostNamespaceOnly = false
    }

    public struct NodePort: Codable, Sendable, Hashable {
        public var enabled = false
        /// First and last port, `30000,32767`.
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
        /// A prime number of those that Cilium takes.
        public var tableSize = 16381
        /// 12 octets in base64; empty: Cilium's own.
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
        public var masquerade = false
        public var hostLegacyRouting = false
        public var lbExternalClusterIP = false
        public var tproxy = false
        public var monitorAggregation = MonitorAggregation.medium
        /// Entries of the maps.
        public var ctTcpMax = 524_288
        public var ctAnyMax = 262_144
        public var natMax = 524_288
        public var neighMax = 524_288
        public var policyMapMax = 16_384
        public var lbMapMax = 65_536
    }

    public struct Labrun: Codable, Sendable, Hashable {
        /// Names of features (`KernelFeature`) that the agent takes for missing, on any kernel.
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
            /// Empty: the lab's pod range.
            public var clusterPoolIPv4PodCIDRList: [String] = []
            public var clusterPoolIPv4MaskSize = 24
        }
        public var mode = Mode.clusterPool
        public var `operator` = Operator()
    }

    public struct ENI: Codable, Sendable, Hashable {
        public struct NodeSpec: Codable, Sendable, Hashable {
            /// First interface whose addresses pods get.
            public var firstInterfaceIndex = 0
        }
        public var enabled = false
        public var awsEnablePrefixDelegation = false
        public var awsReleaseExcessIPs = false
        public var updateEC2AdapterLimitViaAPI = true
        public var nodeSpec = NodeSpec()
        /// Free addresses that a node keeps; the cloud's own default.
        public var preAllocate = 8
        public var minAllocate = 0
        public var maxAboveWatermark = 0
    }

    public struct DNSProxy: Codable, Sendable, Hashable {
        public enum RejectResponseCode: String, Codable, Sendable, Hashable, CaseIterable {
            case refused, nameError
        }
        /// What a pod is answered that asks for a name that it may not know.
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
        /// Name of the CNI network whose plugins come before this one; empty: none.
        public var chainingTarget = ""
        /// The mode that is meant: a target alone means generic-veth, as in the chart.
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
