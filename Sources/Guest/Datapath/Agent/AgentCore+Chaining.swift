import AgentAPI
import CNI
import LinuxKernel
import NetAddress
import Netlink

extension AgentCore {
    /// Takes over a pod that the previous plugin has connected: programs on the node's end of its veth, identity, maps.
    /// A pod without a veth becomes an endpoint that the datapath merely knows of.
    mutating func addChained(
        _ key: AttachmentKey, _ environment: CNIEnvironment, _ configuration: CNIConfiguration,
        _ arguments: CNIArguments
    ) throws -> String {
        guard let previous = configuration.previousResult else {
            throw CNIError(
                .invalidConfiguration, "generic-veth needs a plugin before it in the chain: prevResult is missing")
        }
        let namespace = try NetworkNamespace(path: environment.netns)
        let found = try ChainedInterface.find(environment.interface, of: previous, in: namespace, netlink)
        let text = found.address.description
        if [router, pool.health].contains(found.address) || endpoints.values.contains(where: { $0.address == text }) {
            throw CNIError(.setupFailed, "the plugin before gave an address that is in use on this node", details: text)
        }
        let labels = identityLabels(namespace: arguments.namespace, labels: arguments.labels)
        let identity = try identities.acquire(labels)
        _ = pool.restore(found.address)
        let endpoint: EndpointRecord
        do {
            var planned = try record(
                key, netns: environment.netns, namespace: arguments.namespace, name: arguments.name,
                labels: arguments.labels, identity, found.address)
            planned.chained = true
            planned.mac = found.mac
            planned.hostMAC = found.host?.mac ?? EndpointRecord.noMAC
            planned.hostInterface = found.host?.name ?? ""
            planned.ifindex = found.host?.index ?? 0
            endpoint = try takeOver(planned)
        } catch {
            pool.release(found.address)
            identities.release(identity)
            throw error
        }
        let words: KeyValuePairs = [
            "id": "\(endpoint.id)", "pod": "\(endpoint.namespace)/\(endpoint.name)", "address": endpoint.address,
            "identity": "\(endpoint.identity)", "interface": endpoint.hostInterface,
        ]
        if endpoint.isWithoutVeth {
            Log.warning("endpoint without a veth: no program on its way, no policy, no service", words)
        } else {
            Log.info("endpoint taken over", words)
        }
        return try result(of: endpoint, configuration)
    }

    private mutating func takeOver(_ planned: EndpointRecord) throws -> EndpointRecord {
        var endpoint = planned
        try store.save(endpoint)
        try store.save(lastEndpointID: endpoint.id)
        do {
            if endpoint.isWithoutVeth {
                endpoint.phase = .ready
                try programs.maps.insert(endpoint)
            } else {
                // The interface is up already. The program drops everything until the maps know the interface.
                try programs.attachEndpoint(interface: endpoint.ifindex)
                try Sysctl.set("net/ipv4/conf/\(endpoint.hostInterface)/rp_filter", "0")
                endpoint.enforcement = try enforcePolicies(newcomer: endpoint)
                endpoint.phase = .ready
                try programs.maps.insert(endpoint)
                try reconcileRoutes(newcomer: endpoint)
                for feature in features.all { try feature.connect(endpoint, &self) }
            }
            try store.save(endpoint)
        } catch {
            try? clearKernel(endpoint)
            try? store.remove(endpoint)
            throw error
        }
        endpoints[endpoint.key] = endpoint
        // Policies may name its identity as a peer.
        if endpoint.isWithoutVeth { try enforcePolicies() }
        return endpoint
    }

    /// Returns what is wrong with a chained endpoint in the kernel, or nil.
    func chainedProblem(of endpoint: EndpointRecord) throws -> String? {
        let (interface, mac, address) = (endpoint.interface, endpoint.mac, endpoint.address)
        let isWithoutVeth = endpoint.isWithoutVeth
        do {
            let problem: String? = try NetworkNamespace(path: endpoint.netns).run {
                let netlink = try NetlinkSocket()
                guard let link = try netlink.findLink(named: interface) else {
                    return "\(interface) is missing in the pod"
                }
                guard isWithoutVeth || link.mac?.description == mac else {
                    return "\(interface) has another hardware address"
                }
                let addresses = try netlink.addresses(linkIndex: link.index).map(\.address.address.description)
                return addresses.contains(address) ? nil : "\(interface) lacks its address"
            }
            if let problem { return problem }
        } catch let error as SystemError where error.call == "open" {
            return "\(error)"
        }
        if isWithoutVeth { return nil }
        guard let link = try netlink.findLink(named: endpoint.hostInterface), Int(link.index) == endpoint.ifindex else {
            return "\(endpoint.hostInterface) is missing on the node"
        }
        if let problem = try programs.problem(endpointInterface: endpoint.ifindex) { return problem }
        return try programs.maps.contains(endpoint) ? nil : "the datapath's maps lack the endpoint"
    }
}
