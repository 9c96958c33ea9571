import AgentAPI
import DatapathModel
import Files
import LinuxKernel
import NetAddress
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

extension AgentCore {
    static let healthNamespace = "/run/netns/labrun-health"

    /// Connects a pod: address, identity, interface, maps. After any failure, everything is undone.
    mutating func connect(
        _ key: AttachmentKey, netns: String, namespace: String, name: String, labels: [String: String]
    ) throws -> EndpointRecord {
        let handle = try NetworkNamespace(path: netns)
        let identity = try identities.acquire(identityLabels(namespace: namespace, labels: labels))
        do {
            let address = try pool.allocate()
            do {
                return try connect(
                    record(key, netns: netns, namespace: namespace, name: name, labels: labels, identity, address),
                    handle)
            } catch {
                pool.release(address)
                throw error
            }
        } catch {
            identities.release(identity)
            throw error
        }
    }

    mutating func record(
        _ key: AttachmentKey, netns: String, namespace: String, name: String, labels: [String: String],
        _ identity: UInt32, _ address: IPv4Address
    ) throws(DatapathError) -> EndpointRecord {
        EndpointRecord(
            id: try freeID(), containerID: key.containerID, interface: key.interface, netns: netns,
            namespace: namespace, name: name, labels: labels, identity: identity, address: address.description,
            hostInterface: EndpointNaming.hostInterface(key), ifindex: 0, mac: EndpointNaming.mac(key, host: false),
            hostMAC: EndpointNaming.mac(key, host: true), phase: .creating)
    }

    /// Returns the next free id, going round, so that a pod that replaces another one gets a different id.
    private mutating func freeID() throws(DatapathError) -> UInt16 {
        let used = Set(endpoints.values.map(\.id))
        for _ in 1...UInt16.max {
            lastEndpointID = lastEndpointID == .max ? 1 : lastEndpointID + 1
            if !used.contains(lastEndpointID) { return lastEndpointID }
        }
        throw .endpointsExhausted
    }

    /// Connects the kernel's part. The record is written before and after it.
    private mutating func connect(
        _ planned: EndpointRecord, _ namespace: borrowing NetworkNamespace
    ) throws -> EndpointRecord {
        var endpoint = planned
        try store.save(endpoint)
        try store.save(lastEndpointID: endpoint.id)
        do {
            let ifindex = try PodNetwork.connect(
                endpoint, namespace: namespace, mtu: devices.routeMTU, netlink)
            endpoint.ifindex = Int(ifindex)
            // The interface is down until its program and the maps are in place, so that no packet passes unexamined.
            try programs.attachEndpoint(interface: endpoint.ifindex)
            try PodNetwork.configure(endpoint, router: router, namespace: namespace)
            endpoint.enforcement = try enforcePolicies(newcomer: endpoint)
            if pool.interfacePool != nil { try reconcileRoutes(newcomer: endpoint) }
            endpoint.phase = .ready
            try programs.maps.insert(endpoint)
            for feature in features.all { try feature.connect(endpoint, &self) }
            try netlink.changeLink(index: ifindex, LinkChange(isUp: true))
            try store.save(endpoint)
        } catch {
            try? clearKernel(endpoint)
            try? store.remove(endpoint)
            throw error
        }
        endpoints[endpoint.key] = endpoint
        return endpoint
    }

    /// Removes an endpoint. One that is not known is no error.
    mutating func disconnect(_ key: AttachmentKey) throws {
        guard var endpoint = endpoints[key] else { return }
        endpoint.phase = .disconnecting
        endpoints[key] = endpoint
        try store.save(endpoint)
        try clearKernel(endpoint)
        try store.remove(endpoint)
        endpoints[key] = nil
        if let address = IPv4Address(endpoint.address) { pool.release(address) }
        identities.release(endpoint.identity)
        for feature in features.all { try feature.disconnect(&self) }
        if pool.interfacePool != nil || endpoint.isChained { try reconcileRoutes() }
        try enforcePolicies()
    }

    /// Removes an endpoint from the maps. Forwarding to it ends first, and the interface's own entry goes after that, so
    /// that packets under way are delivered or dropped with a reason. When no packet can come any more, its connections
    /// are forgotten, as Cilium does.
    func clearKernel(_ endpoint: EndpointRecord) throws {
        try programs.maps.removeAddress(of: endpoint)
        try PodNetwork.disconnect(endpoint, netlink)
        try programs.maps.removeInterface(of: endpoint)
        if let address = IPv4Address(endpoint.address) { try conntrack.forget(address) }
    }

    /// Creates the node's own endpoint, which other nodes probe: a namespace with an address, in which the kernel
    /// answers ICMP.
    mutating func ensureHealthEndpoint() throws {
        let key = AttachmentKey(containerID: EndpointRecord.healthContainerID, interface: "eth0")
        if let present = endpoints[key], present.phase == .ready,
            let namespace = try? NetworkNamespace(path: Self.healthNamespace),
            try PodNetwork.problem(present, router: router, namespace: namespace) == nil
        {
            return
        }
        if let broken = endpoints.removeValue(forKey: key) {
            try clearKernel(broken)
            try store.remove(broken)
        }
        try Directories.make(Directories.parent(of: Self.healthNamespace))
        // A kill left this between the creation of the file and the mount on it, or the namespace has lost its
        // interface.
        try? unmountFilesystem(Self.healthNamespace, lazily: true)
        unlink(Self.healthNamespace)
        let namespace = try NetworkNamespace.create()
        try namespace.bind(to: Self.healthNamespace)
        let planned = try record(
            key, netns: Self.healthNamespace, namespace: "", name: EndpointRecord.healthContainerID,
            labels: ["reserved:health": ""], Identity.health.rawValue, pool.health)
        _ = try connect(planned, namespace)
        Log.info("health endpoint connected", ["address": pool.health.description])
    }
}
