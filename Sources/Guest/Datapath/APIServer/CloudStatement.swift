import CloudAPI
import ClusterClient
import JSON
import NetAddress

/// What a CiliumNode says with `ipam.mode: eni`, in the upstream's words: the instance, its interfaces, the addresses
/// that pods may have, and who has them. It is pure.
struct CloudStatement {
    private let pool: InterfacePool
    private let firstInterface: Int
    private let owners: [IPv4Address: String]

    /// - Parameter owners: Who has each address that is in use.
    init(_ pool: InterfacePool, firstInterface: Int, owners: [IPv4Address: String]) {
        self.pool = pool
        self.firstInterface = firstInterface
        self.owners = owners
    }

    func add(to statement: inout NodeStatement) {
        let instance = pool.instance
        statement.spec["instance-id"] = .string(instance.instanceID)
        var eni: [String: JSONValue] = [
            "instance-type": .string(instance.instanceType), "first-interface-index": .integer(Int64(firstInterface)),
        ]
        if let first = instance.interfaces.first { eni["node-subnet-id"] = .string(first.subnetID) }
        statement.spec["eni"] = .object(eni)
        statement.spec["ipam"] = .object(["pool": .object(addresses)])
        statement.status["ipam"] = .object(["used": .object(used)])
        statement.status["eni"] = .object(["enis": .object(interfaces)])
    }

    /// `{"10.0.1.5": {"resource": "eni-…"}}`
    private var addresses: [String: JSONValue] {
        var all: [String: JSONValue] = [:]
        for interface in pool.interfaces {
            for address in interface.addresses {
                all[address.description] = .object(["resource": .string(interface.id)])
            }
        }
        return all
    }

    /// `{"10.0.1.5": {"owner": "default/web-1", "resource": "eni-…"}}`
    private var used: [String: JSONValue] {
        var all: [String: JSONValue] = [:]
        for (address, owner) in owners {
            var members: [String: JSONValue] = ["owner": .string(owner)]
            if let interface = pool.interface(of: address) { members["resource"] = .string(interface.id) }
            all[address.description] = .object(members)
        }
        return all
    }

    private var interfaces: [String: JSONValue] {
        var all: [String: JSONValue] = [:]
        for interface in pool.instance.interfaces {
            var members: [String: JSONValue] = [
                "id": .string(interface.id), "mac": .string(interface.mac), "ip": .string(interface.primaryAddress),
                "subnet": .object(["id": .string(interface.subnetID), "cidr": .string(interface.subnetCIDR)]),
                "addresses": .array(interface.secondaryAddresses.map { .string($0) }),
            ]
            if let number = interface.deviceIndex { members["number"] = .integer(Int64(number)) }
            if !interface.prefixes.isEmpty { members["prefixes"] = .array(interface.prefixes.map { .string($0) }) }
            all[interface.id] = .object(members)
        }
        return all
    }
}
