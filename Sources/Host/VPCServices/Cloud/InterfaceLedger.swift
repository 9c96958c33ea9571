public import CloudAPI
public import NetAddress

/// The cloud's records of the interfaces and addresses in the VPC and of the nodes that have them. A request that is
/// refused changes nothing. It is pure.
public struct InterfaceLedger: Sendable {
    public struct Subnet: Sendable, Hashable {
        /// The subnet's name in the lab profile.
        public let id: String
        public let cidr: IPv4CIDR
        public let gateway: IPv4Address
        /// The addresses that cannot be assigned.
        fileprivate var taken: Set<UInt32>

        /// - Parameter reserved: The addresses of hosts. The first four addresses and the last one are the cloud's own,
        ///   as in AWS.
        public init(id: String, cidr: IPv4CIDR, gateway: IPv4Address, reserved: [IPv4Address]) {
            self.id = id
            self.cidr = cidr.network
            self.gateway = gateway
            let first = cidr.network.address.rawValue
            taken = Set((0..<4).map { first &+ $0 } + [cidr.broadcast.rawValue] + reserved.map(\.rawValue))
        }

        var free: Int { max(0, (1 << (32 - cidr.prefixLength)) - taken.count) }

        fileprivate mutating func address() -> IPv4Address? {
            let all = cidr.address.rawValue...cidr.broadcast.rawValue
            guard let found = all.first(where: { !taken.contains($0) }) else { return nil }
            taken.insert(found)
            return IPv4Address(rawValue: found)
        }

        fileprivate mutating func prefix() -> IPv4CIDR? {
            var start = cidr.address.rawValue
            guard cidr.prefixLength <= InterfaceLedger.prefixLength else { return nil }
            while start <= cidr.broadcast.rawValue - 15 {
                let block = (0..<16).map { start + $0 }
                if block.allSatisfy({ !taken.contains($0) }) {
                    taken.formUnion(block)
                    return IPv4CIDR(IPv4Address(rawValue: start), prefixLength: InterfaceLedger.prefixLength)
                }
                guard start <= UInt32.max - 16 else { return nil }
                start += 16
            }
            return nil
        }
    }

    public struct Node: Sendable, Hashable {
        public let name: String
        public let instanceID: String
        public let type: String
        public let limits: InstanceLimits

        public init(name: String, instanceID: String, type: String, limits: InstanceLimits) {
            self.name = name
            self.instanceID = instanceID
            self.type = type
            self.limits = limits
        }
    }

    public struct Interface: Sendable, Hashable {
        public let id: String
        public let node: String
        public let mac: MACAddress
        public let subnet: String
        public let primary: IPv4Address
        public fileprivate(set) var secondary: [IPv4Address] = []
        public fileprivate(set) var prefixes: [IPv4CIDR] = []
        public fileprivate(set) var groups: [String]
        public fileprivate(set) var deviceIndex: Int?

        public init(
            id: String, node: String, mac: MACAddress, subnet: String, primary: IPv4Address, groups: [String],
            deviceIndex: Int?
        ) {
            self.id = id
            self.node = node
            self.mac = mac
            self.subnet = subnet
            self.primary = primary
            self.groups = groups
            self.deviceIndex = deviceIndex
        }

        /// The secondary addresses and all addresses of the prefixes.
        public var secondaryAddresses: [IPv4Address] {
            secondary + prefixes.flatMap { prefix in (0..<16).compactMap { prefix.host($0) } }
        }
    }

    /// The length of a delegated prefix.
    public static let prefixLength = 28
    /// How many interfaces a node may have created and not attached.
    static let mostUnattached = 16

    private var subnets: [String: Subnet]
    private var nodes: [String: Node]
    private let groups: Set<String>
    private let vpc: IPv4CIDR
    public private(set) var interfaces: [String: Interface] = [:]
    private var made: UInt32 = 0

    /// - Parameters:
    ///   - interfaces: The interfaces that nodes have from their start.
    ///   - groups: The names of all security groups.
    public init(vpc: IPv4CIDR, subnets: [Subnet], nodes: [Node], interfaces: [Interface], groups: Set<String>) {
        self.vpc = vpc
        self.subnets = Dictionary(subnets.map { ($0.id, $0) }) { first, _ in first }
        self.nodes = Dictionary(nodes.map { ($0.name, $0) }) { first, _ in first }
        self.groups = groups
        for interface in interfaces {
            self.interfaces[interface.id] = interface
            self.subnets[interface.subnet]?.taken.insert(interface.primary.rawValue)
        }
    }

    /// Returns the node that has an address on one of its attached interfaces, or nil.
    public func node(at address: IPv4Address) -> Node? {
        let found = interfaces.values.first { interface in
            interface.deviceIndex != nil
                && (interface.primary == address || interface.secondaryAddresses.contains(address))
        }
        return found.flatMap { nodes[$0.node] }
    }

    /// Returns a node's attached interfaces, ordered by device index.
    public func attached(to node: String) -> [Interface] {
        interfaces.values.filter { $0.node == node && $0.deviceIndex != nil }
            .sorted { ($0.deviceIndex ?? 0) < ($1.deviceIndex ?? 0) }
    }

    // MARK: Describing

    /// Returns a node in the form in which the cloud answers.
    public func describe(_ node: Node) -> CloudInstance {
        CloudInstance(
            instanceID: node.instanceID, node: node.name, instanceType: node.type, limits: node.limits,
            vpcCIDR: vpc.description, interfaces: attached(to: node.name).map(describe))
    }

    /// Returns an interface in the form in which the cloud answers.
    public func describe(_ interface: Interface) -> CloudInterface {
        let subnet = subnets[interface.subnet]
        return CloudInterface(
            id: interface.id, mac: interface.mac.description, subnetID: interface.subnet,
            subnetCIDR: subnet?.cidr.description ?? "", gateway: subnet?.gateway.description ?? "",
            deviceIndex: interface.deviceIndex, primaryAddress: interface.primary.description,
            secondaryAddresses: interface.secondary.map(\.description), prefixes: interface.prefixes.map(\.description),
            securityGroups: interface.groups)
    }

    /// Returns all subnets, ordered by name.
    public func describeSubnets() -> [CloudSubnet] {
        subnets.values.sorted { $0.id < $1.id }.map {
            CloudSubnet(
                id: $0.id, cidr: $0.cidr.description, gateway: $0.gateway.description, freeAddresses: $0.free)
        }
    }

    // MARK: Changing

    /// Gives a node another type. Fails if its interfaces and addresses do not fit.
    public mutating func resize(_ name: String, to type: String, _ limits: InstanceLimits) throws(CloudFailure) {
        guard let node = nodes[name] else {
            throw CloudFailure(.invalidParameterValue, "there is no instance of \(name)")
        }
        let present = attached(to: name)
        let most = present.map { 1 + $0.secondary.count + $0.prefixes.count }.max() ?? 0
        guard present.count <= limits.interfaces, most <= limits.addressesPerInterface else {
            throw CloudFailure(
                .invalidParameterValue,
                "\(present.count) interfaces with up to \(most) addresses do not fit a \(type)")
        }
        nodes[name] = Node(name: name, instanceID: node.instanceID, type: type, limits: limits)
    }

    /// Gives a node's machine another id: it is another machine with the same interfaces.
    public mutating func rename(_ name: String, instanceID: String) {
        guard let node = nodes[name] else { return }
        nodes[name] = Node(name: name, instanceID: instanceID, type: node.type, limits: node.limits)
    }

    /// Creates an interface that is not attached yet.
    public mutating func create(_ request: CloudRequest, for node: Node) throws(CloudFailure) -> Interface {
        guard let first = attached(to: node.name).first else {
            throw CloudFailure(.operationNotPermitted, "instance \(node.instanceID) has no interface")
        }
        let subnetID = request.subnetID ?? first.subnet
        guard var subnet = subnets[subnetID] else {
            throw CloudFailure(.invalidSubnetNotFound, "The subnet ID '\(subnetID)' does not exist")
        }
        let groups = request.securityGroups ?? first.groups
        if let unknown = groups.first(where: { !self.groups.contains($0) }) {
            throw CloudFailure(.invalidGroupNotFound, "The security group '\(unknown)' does not exist")
        }
        guard interfaces.values.filter({ $0.node == node.name && $0.deviceIndex == nil }).count < Self.mostUnattached
        else { throw CloudFailure(.operationNotPermitted, "\(node.instanceID) has too many unattached interfaces") }
        guard let primary = subnet.address() else { throw Self.full(subnet) }
        made += 1
        var interface = Interface(
            id: "eni-0c10d0000" + Self.hex(made), node: node.name,
            mac: MACAddress(rawValue: 0x024C_4500_0000 | UInt64(made & 0xFF_FFFF)), subnet: subnetID, primary: primary,
            groups: groups, deviceIndex: nil)
        try Self.assign(
            count: request.count, prefixCount: request.prefixCount, to: &interface, of: &subnet, limits: node.limits)
        subnets[subnetID] = subnet
        interfaces[interface.id] = interface
        return interface
    }

    /// Attaches an interface at this device index, or at the lowest free one.
    public mutating func attach(_ id: String?, at index: Int?, to node: Node) throws(CloudFailure) -> Interface {
        var interface = try interface(id, of: node)
        guard interface.deviceIndex == nil else {
            throw CloudFailure(.invalidNetworkInterfaceInUse, "Interface '\(interface.id)' is attached already")
        }
        let used = Set(attached(to: node.name).compactMap(\.deviceIndex))
        guard used.count < node.limits.interfaces else {
            throw CloudFailure(
                .attachmentLimitExceeded,
                "Interface count \(used.count + 1) exceeds the limit for \(node.type)")
        }
        let free = (1..<max(2, node.limits.interfaces + used.count)).first { !used.contains($0) }
        guard let wanted = index ?? free, (1..<64).contains(wanted), !used.contains(wanted) else {
            throw CloudFailure(.invalidParameterValue, "Device index \(index ?? 0) is not free")
        }
        interface.deviceIndex = wanted
        interfaces[interface.id] = interface
        return interface
    }

    /// Detaches an interface, which keeps its addresses.
    public mutating func detach(_ id: String?, from node: Node) throws(CloudFailure) -> Interface {
        var interface = try interface(id, of: node)
        guard interface.deviceIndex != 0 else {
            throw CloudFailure(.operationNotPermitted, "The network interface at device index 0 cannot be detached")
        }
        guard interface.deviceIndex != nil else {
            throw CloudFailure(.invalidParameterValue, "Interface '\(interface.id)' is not attached")
        }
        interface.deviceIndex = nil
        interfaces[interface.id] = interface
        return interface
    }

    /// Deletes an unattached interface and gives its addresses back.
    public mutating func delete(_ id: String?, of node: Node) throws(CloudFailure) -> Interface {
        let interface = try interface(id, of: node)
        guard interface.deviceIndex == nil else {
            throw CloudFailure(.invalidNetworkInterfaceInUse, "Interface '\(interface.id)' is currently in use")
        }
        interfaces[interface.id] = nil
        release([interface.primary] + interface.secondaryAddresses, subnet: interface.subnet)
        return interface
    }

    /// Assigns secondary addresses or prefixes to an interface.
    public mutating func assign(_ request: CloudRequest, for node: Node) throws(CloudFailure) -> Interface {
        var interface = try interface(request.networkInterfaceID, of: node)
        guard var subnet = subnets[interface.subnet] else {
            throw CloudFailure(.invalidSubnetNotFound, "The subnet ID '\(interface.subnet)' does not exist")
        }
        guard (request.count ?? 0) + (request.prefixCount ?? 0) > 0 else {
            throw CloudFailure(.invalidParameterValue, "count or prefixCount is needed")
        }
        try Self.assign(
            count: request.count, prefixCount: request.prefixCount, to: &interface, of: &subnet, limits: node.limits)
        subnets[interface.subnet] = subnet
        interfaces[interface.id] = interface
        return interface
    }

    /// Takes secondary addresses and prefixes from an interface.
    public mutating func unassign(_ request: CloudRequest, for node: Node) throws(CloudFailure) -> Interface {
        var interface = try interface(request.networkInterfaceID, of: node)
        var freed: [IPv4Address] = []
        for text in Set(request.addresses ?? []) {
            guard let index = interface.secondary.firstIndex(where: { $0.description == text }) else {
                throw CloudFailure(.invalidParameterValue, "\(text) is no secondary address of \(interface.id)")
            }
            freed.append(interface.secondary.remove(at: index))
        }
        for text in Set(request.prefixes ?? []) {
            guard let index = interface.prefixes.firstIndex(where: { $0.description == text }) else {
                throw CloudFailure(.invalidParameterValue, "\(text) is no prefix of \(interface.id)")
            }
            let prefix = interface.prefixes.remove(at: index)
            freed += (0..<16).compactMap { prefix.host($0) }
        }
        interfaces[interface.id] = interface
        release(freed, subnet: interface.subnet)
        return interface
    }

    private func interface(_ id: String?, of node: Node) throws(CloudFailure) -> Interface {
        guard let id, let interface = interfaces[id], interface.node == node.name else {
            throw CloudFailure(.invalidNetworkInterfaceNotFound, "The networkInterface ID '\(id ?? "")' does not exist")
        }
        return interface
    }

    private mutating func release(_ addresses: [IPv4Address], subnet: String) {
        for address in addresses { subnets[subnet]?.taken.remove(address.rawValue) }
    }

    private static func assign(
        count: Int?, prefixCount: Int?, to interface: inout Interface, of subnet: inout Subnet, limits: InstanceLimits
    ) throws(CloudFailure) {
        let (count, prefixCount) = (count ?? 0, prefixCount ?? 0)
        guard (0...256).contains(count), (0...256).contains(prefixCount) else {
            throw CloudFailure(.invalidParameterValue, "count and prefixCount are from 0 to 256")
        }
        let used = 1 + interface.secondary.count + interface.prefixes.count
        guard used + count + prefixCount <= limits.addressesPerInterface else {
            throw CloudFailure(
                .privateIpAddressLimitExceeded,
                "Number of private addresses will exceed limit: \(used) of \(limits.addressesPerInterface) are in use "
                    + "on \(interface.id)")
        }
        for _ in 0..<count {
            guard let address = subnet.address() else { throw full(subnet) }
            interface.secondary.append(address)
        }
        for _ in 0..<prefixCount {
            guard let prefix = subnet.prefix() else {
                throw CloudFailure(
                    .insufficientCidrBlocks, "The specified subnet '\(subnet.id)' has no free /\(prefixLength)")
            }
            interface.prefixes.append(prefix)
        }
    }

    private static func full(_ subnet: Subnet) -> CloudFailure {
        CloudFailure(
            .insufficientFreeAddressesInSubnet,
            "The specified subnet '\(subnet.id)' does not have enough free addresses to satisfy the request")
    }

    private static func hex(_ number: UInt32) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: max(0, 8 - text.count)) + text
    }
}
