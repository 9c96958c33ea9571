import Foundation

/// A lab profile: `apiVersion: labrun.dev/v1alpha1`, `kind: Lab`. What cloud and cluster the nodes believe to be in.
public struct LabProfile: Codable, Sendable {
    public struct SecurityGroup: Codable, Sendable {
        public var name: String
        public var rules: [Rule]
        public init(name: String, rules: [Rule]) {
            self.name = name
            self.rules = rules
        }
    }
    public struct Rule: Codable, Sendable {
        /// The rule's name, by which a fault removes it.
        public var name: String
        /// The direction, `ingress` or `egress`.
        public var direction: String
        /// The protocol: `tcp`, `udp`, `icmp` or `all`.
        public var `protocol`: String
        public var ports: ClosedRange<UInt16>?
        /// The other side: `self`, `any`, the name of a group, or a CIDR.
        public var peer: String
        public init(
            name: String, direction: String, protocol: String, ports: ClosedRange<UInt16>?, peer: String
        ) {
            self.name = name
            self.direction = direction
            self.protocol = `protocol`
            self.ports = ports
            self.peer = peer
        }
    }

    /// The cluster's kube-proxy.
    public struct KubeProxy: Codable, Sendable, Hashable {
        /// The supported modes. `ipvs` and `nftables` are refused.
        public static let modes = ["iptables"]
        /// Whether it runs on every node.
        public var enabled: Bool
        public init(enabled: Bool = false) { self.enabled = enabled }
    }

    /// The CNI plugin that the cloud brings along. Its network is called `cloud`.
    public enum CloudPlugin: String, Codable, Sendable, Hashable, CaseIterable {
        case none
        /// The pod gets a veth and an address of the upper half of the node's share.
        case ptp
        /// A network interface of the cloud is moved into the pod, which has no veth.
        case networkInterface = "network-interface"
    }

    /// The most nodes that a lab may have, for which addresses, taps and MACs are laid out.
    public static let mostNodes = 64
    /// The most characters in the name of a security group, of a rule or of a host of the cloud.
    public static let longestFabricName = 40
    /// The longest mask of a node's share, which needs room for its router, its health endpoint and pods.
    public static let longestPodMask = 28

    /// The range that EKS takes if the VPC is in 10.0.0.0/16.
    public static let usualServiceCIDR = "10.100.0.0/16"

    public var name: String
    public var title: String
    /// The VPC's range, such as `10.0.0.0/16`.
    public var vpcCIDR: String
    /// The nodes' subnet, such as `10.0.0.0/24`. Its first address is the gateway.
    public var subnetCIDR: String
    public var nodeCount: Int
    /// How many of the nodes, the last ones, are not powered on when the lab boots, but when they join it.
    public var laterCount = 0
    /// What all nodes are registered with, and what some are.
    public var traits = NodeTraits()
    public var namedTraits: [NamedTraits] = []
    /// The memory that a node must have left, else its kubelet evicts pods: `40Mi`, `10%`; nil for the usual.
    public var evictionMemory: String?
    /// The beginning of the nodes' names, which a number follows: `node1`.
    public var nodePrefix: String
    public var kernel: String
    public var memoryMiB: Int
    public var kubelet = NodeKubeletKind.light
    /// The cluster's pod range, and the mask length of a node's share.
    public var podCIDR: String
    public var podMaskSize: Int
    /// The range of services' addresses, such as `10.100.0.0/16`.
    public var serviceCIDR: String
    /// Whether the cloud writes each node's share into its Node object (`spec.podCIDR`).
    public var writesPodCIDR = true
    public var securityGroups: [SecurityGroup]
    /// The security groups of the nodes' interfaces.
    public var nodeSecurityGroups: [String]
    public var sourceDestinationCheck: Bool
    public var datapathValues: [String: String]
    public var cloud = CloudLayout()
    public var kubeProxy = KubeProxy()
    public var cloudPlugin = CloudPlugin.none
    public var controlPlane = ControlPlaneLayout()
    public var installation = DatapathInstallation()
    /// What a user's `images.yaml` says; nil if images stand for what the lab's own says.
    public var images: UserImages?

    public init(
        name: String, title: String, vpcCIDR: String, subnetCIDR: String, nodeCount: Int, nodePrefix: String,
        kernel: String, memoryMiB: Int, podCIDR: String, podMaskSize: Int, serviceCIDR: String = Self.usualServiceCIDR,
        securityGroups: [SecurityGroup],
        nodeSecurityGroups: [String], sourceDestinationCheck: Bool, datapathValues: [String: String]
    ) {
        self.name = name
        self.title = title
        self.vpcCIDR = vpcCIDR
        self.subnetCIDR = subnetCIDR
        self.nodeCount = nodeCount
        self.nodePrefix = nodePrefix
        self.kernel = kernel
        self.memoryMiB = memoryMiB
        self.podCIDR = podCIDR
        self.podMaskSize = podMaskSize
        self.serviceCIDR = serviceCIDR
        self.securityGroups = securityGroups
        self.nodeSecurityGroups = nodeSecurityGroups
        self.sourceDestinationCheck = sourceDestinationCheck
        self.datapathValues = datapathValues
    }

    /// Returns the profile with the changes of a file or of the command line.
    public func applying(_ overrides: LabOverrides) -> LabProfile {
        var result = self
        if let nodeCount = overrides.nodeCount { result.nodeCount = nodeCount }
        if let laterCount = overrides.laterCount { result.laterCount = laterCount }
        result.traits = result.traits.adding(overrides.traits)
        result.namedTraits += overrides.namedTraits
        if let memory = overrides.evictionMemory { result.evictionMemory = memory }
        if let kernel = overrides.kernel { result.kernel = kernel }
        if let memoryMiB = overrides.memoryMiB { result.memoryMiB = memoryMiB }
        if let kubelet = overrides.kubelet { result.kubelet = kubelet }
        if let plugin = overrides.cloudPlugin { result.cloudPlugin = plugin }
        if let type = overrides.instanceType { result.cloud.instanceType = type }
        if let enabled = overrides.kubeProxy { result.kubeProxy.enabled = enabled }
        if let enabled = overrides.controlPlane { result.controlPlane.enabled = enabled }
        if let folder = overrides.controlPlaneBinaries { result.controlPlane.binaries = folder }
        if let version = overrides.controlPlaneVersion { result.controlPlane.version = version }
        if let autoscaler = overrides.autoscaler {
            result.controlPlane.autoscaler = autoscaler
            if autoscaler { result.controlPlane.cloudController = true }
        }
        if let configureCloudRoutes = overrides.configureCloudRoutes {
            result.controlPlane.configureCloudRoutes = configureCloudRoutes
            if configureCloudRoutes { result.controlPlane.cloudController = true }
        }
        if let gatewayController = overrides.gatewayController {
            result.controlPlane.gatewayController = gatewayController
            if gatewayController { result.controlPlane.cloudController = true }
        }
        if let cloudController = overrides.cloudController {
            result.controlPlane.cloudController = cloudController
            if !cloudController {
                result.controlPlane.autoscaler = false
                result.controlPlane.configureCloudRoutes = false
                result.controlPlane.gatewayController = false
            }
        }
        if let kind = overrides.install { result.installation.kind = kind }
        result.installation.placement.merge(overrides.daemonSet) { $1 }
        result.datapathValues.merge(overrides.datapathValues) { $1 }
        return result
    }

    /// The names of all nodes, `node1` … `nodeN`, those that join later last.
    public var nodeNames: [String] { (1...max(1, nodeCount)).map { "\(nodePrefix)\($0)" } }

    /// The names of the nodes that are there from the start.
    public var initialNodeNames: [String] {
        Array(nodeNames.dropLast(min(max(0, laterCount), max(0, nodeCount - 1))))
    }

    /// The names of the nodes that are not there before they join.
    public var laterNodeNames: [String] { Array(nodeNames.dropFirst(initialNodeNames.count)) }
}

extension LabProfile {
    /// Whether two profiles agree in everything.
    public func isSame(as other: LabProfile) -> Bool {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let own = try? encoder.encode(self), let others = try? encoder.encode(other) else { return false }
        return own == others
    }
}
