import KubeObjects
import NetAddress
import Scenario

/// What an API server allocates for services: addresses of the services' range and ports of the nodes.
///
/// As in Kubernetes, the lower part of both ranges is given last, so that manifests can ask for it: the first 15
/// addresses (the API server's and the DNS's are among them) and the first 86 node ports.
public struct ServiceAllocation: Sendable {
    static let nodePorts: ClosedRange<UInt16> = 30_000...32_767
    private static let firstFreeNodePort: UInt16 = 30_086
    private static let firstFreeOffset: UInt32 = 16

    private let range: IPv4CIDR
    private var addresses: [String: ObjectKey] = [:]
    private var ports: [Port: ObjectKey] = [:]

    private struct Port: Hashable {
        let number: UInt16
        let `protocol`: TransportProtocol
    }

    /// - Parameters:
    ///   - range: The network of the services.
    ///   - services: Services that have what they need. Their addresses and ports are taken.
    public init(range: IPv4CIDR, services: some Sequence<Service> = []) {
        self.range = range.network
        for service in services { take(service) }
    }

    private mutating func take(_ service: Service) {
        for address in service.clusterAddresses { addresses[address] = service.key }
        for port in service.spec.ports {
            if let number = port.nodePort { ports[Port(number: number, protocol: port.protocol)] = service.key }
        }
    }

    /// Returns the service with everything that it needs. What it asks for is checked.
    /// - Parameter before: The service of the same key that is replaced. The new one keeps what that one had.
    /// - Throws: `LabError` `.plan` if another service has an address or a port, or none is left.
    public mutating func complete(_ service: Service, replacing before: Service?) throws -> Service {
        release(service.key)
        var service = service
        if !service.isHeadless, service.spec.type != .externalName {
            let address = try self.address(of: service, before: before)
            service.spec.clusterIP = address
            service.spec.clusterIPs = [address]
        }
        if service.spec.type == .nodePort
            || service.spec.type == .loadBalancer && service.spec.allocateLoadBalancerNodePorts != false
        {
            // What the service asks for comes first, so that no other port of the service gets it.
            let indices = service.spec.ports.indices
            for index in indices.filter({ service.spec.ports[$0].nodePort != nil })
                + indices.filter({ service.spec.ports[$0].nodePort == nil })
            {
                let port = service.spec.ports[index]
                let known = before?.spec.ports.first { $0.port == port.port && $0.protocol == port.protocol }
                let number = try nodePort(of: port, known?.nodePort, service.key)
                service.spec.ports[index].nodePort = number
                ports[Port(number: number, protocol: port.protocol)] = service.key
            }
        }
        take(service)
        return service
    }

    /// Frees what a service had.
    public mutating func release(_ key: ObjectKey) {
        addresses = addresses.filter { $0.value != key }
        ports = ports.filter { $0.value != key }
    }

    private func address(of service: Service, before: Service?) throws -> String {
        if let wanted = service.clusterAddresses.first {
            guard let address = IPv4Address(wanted), range.contains(address) else {
                throw LabError(.plan, "clusterIP \(wanted) of Service \(service.key) is not within \(range)")
            }
            if let other = addresses[wanted] {
                throw LabError(.plan, "clusterIP \(wanted) of Service \(service.key) is Service \(other)'s already")
            }
            return wanted
        }
        if let had = before?.clusterAddresses.first, addresses[had] == nil { return had }
        func free(_ offset: UInt32) -> String? {
            // The network's own address and its last one are not given to anybody.
            guard let address = range.host(offset), address != range.broadcast else { return nil }
            return addresses[address.description] == nil ? address.description : nil
        }
        let size = UInt32(clamping: UInt64(1) << UInt64(32 - range.prefixLength))
        let upper = Self.firstFreeOffset..<max(Self.firstFreeOffset, size)
        guard let address = upper.lazy.compactMap(free).first ?? (1..<Self.firstFreeOffset).lazy.compactMap(free).first
        else { throw LabError(.plan, "no address of \(range) is left for Service \(service.key)") }
        return address
    }

    private func nodePort(of port: Service.Port, _ known: UInt16?, _ key: ObjectKey) throws -> UInt16 {
        func isFree(_ number: UInt16) -> Bool {
            number != WorkloadPlacement.nodePort && ports[Port(number: number, protocol: port.protocol)] == nil
        }
        if let wanted = port.nodePort {
            guard isFree(wanted) else {
                let holder = ports[Port(number: wanted, protocol: port.protocol)].map { "Service \($0)'s" }
                throw LabError(.plan, "node port \(wanted) of Service \(key) is \(holder ?? "the nodes' own") already")
            }
            return wanted
        }
        if let known, isFree(known) { return known }
        let upper = Self.firstFreeNodePort...Self.nodePorts.upperBound
        let lower = Self.nodePorts.lowerBound..<Self.firstFreeNodePort
        guard let number = upper.first(where: isFree) ?? lower.first(where: isFree) else {
            throw LabError(.plan, "no node port is left for Service \(key)")
        }
        return number
    }
}
