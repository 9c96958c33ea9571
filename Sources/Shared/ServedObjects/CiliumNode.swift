public import JSON

/// `cilium.io/v2 CiliumNode`: a node as its agent and the operator tell of it. It has the node's name.
public struct CiliumNode: Sendable, Hashable {
    public static let apiVersion = "cilium.io/v2"
    public static let kind = "CiliumNode"
    /// More elements of a list are not read.
    static let mostElements = 64

    public struct Address: Sendable, Hashable {
        /// `InternalIP`, `CiliumInternalIP`
        public var type: String
        public var ip: String
        public init(type: String, ip: String) {
            self.type = type
            self.ip = ip
        }
    }

    public var metadata: ObjectHead
    public var addresses: [Address]
    /// The dotted address of the node's health endpoint.
    public var health: String?
    public var bootID: String?
    /// `spec.ipam.podCIDRs`: the ranges that the operator gave the node.
    public var podCIDRs: [String]
    /// `status.ipam.operator-status.error`: why the operator gives none.
    public var operatorError: String?

    public init(
        metadata: ObjectHead, addresses: [Address] = [], health: String? = nil, bootID: String? = nil,
        podCIDRs: [String] = [], operatorError: String? = nil
    ) {
        self.metadata = metadata
        self.addresses = addresses
        self.health = health
        self.bootID = bootID
        self.podCIDRs = podCIDRs
        self.operatorError = operatorError
    }

    /// What is not said is empty: a node exists before it has a range.
    ///
    /// - Throws: `JSONText.Mistake`, `ServedObjectError`.
    public init(_ octets: [UInt8]) throws { try self.init(try JSONText.value(of: octets)) }

    public init(_ object: JSONValue) throws(ServedObjectError) {
        metadata = try ObjectHead(object)
        let spec = object["spec"]
        let addresses = spec?["addresses"]?.elements ?? []
        let ranges = spec?["ipam"]?["podCIDRs"]?.elements ?? []
        for (field, list) in [("spec.addresses", addresses), ("spec.ipam.podCIDRs", ranges)] {
            guard list.count <= Self.mostElements else {
                throw ServedObjectError(field: field, problem: "\(list.count) elements")
            }
        }
        self.addresses = addresses.compactMap { address in
            guard let type = address["type"]?.text, let ip = address["ip"]?.text else { return nil }
            return Address(type: type, ip: ip)
        }
        podCIDRs = ranges.compactMap(\.text)
        health = spec?["health"]?["ipv4"]?.text
        bootID = spec?["bootid"]?.text
        let error = object["status"]?["ipam"]?["operator-status"]?["error"]?.text ?? ""
        operatorError = error.isEmpty ? nil : error
    }

    /// Without `status`, which others write.
    public var json: JSONValue {
        .object([
            "apiVersion": .string(Self.apiVersion), "kind": .string(Self.kind), "metadata": metadata.json, "spec": spec,
        ])
    }

    /// `spec` with what is known.
    public var spec: JSONValue {
        var spec: [String: JSONValue] = [
            "addresses": .array(addresses.map { .object(["type": .string($0.type), "ip": .string($0.ip)]) })
        ]
        if let health { spec["health"] = .object(["ipv4": .string(health)]) }
        if let bootID { spec["bootid"] = .string(bootID) }
        if !podCIDRs.isEmpty { spec["ipam"] = .object(["podCIDRs": .array(podCIDRs.map { .string($0) })]) }
        return .object(spec)
    }

    /// The first address of a type.
    public func address(_ type: String) -> String? { addresses.first { $0.type == type }?.ip }
    /// The address on the underlay.
    public var internalIP: String? { address("InternalIP") }
    /// The address of the node's router.
    public var routerIP: String? { address("CiliumInternalIP") }
}
