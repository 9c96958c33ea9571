import FoundationEssentials
import GatewayProxy
import GatewayRoutes
import KubeObjects

/// Serves gateways at the node ports of their Services: the proxy of the node passes requests on to pods by the table in
/// the Service's annotation.
///
/// Whoever may annotate a Service decides where its requests go, as whoever may write a CiliumEnvoyConfig does upstream.
final class GatewayFeature: DatapathFeature {
    let name = "gateways"
    /// Services change with their slices.
    let kinds: Set<ObjectKind> = [.services]

    private var tables: [ObjectKey: GatewayTable] = [:]
    private var proxy: GatewayProxy?

    func follow(_ delta: ObjectDelta, _ core: inout AgentCore) throws { try serve(delta[.services], core) }

    /// Brings the proxy in line with what is known of services. While they are not read yet, nothing is done: who reads
    /// them calls this for all.
    ///
    /// - Throws: `DatapathError` for a table that cannot be read. The others are served.
    func serve(_ services: Set<ObjectKey>, _ core: borrowing AgentCore) throws {
        let feature = core.features.services
        guard feature.restoration == nil else { return }
        let plan = feature.plan(core)
        var unreadable: [ObjectKey] = []
        for key in services {
            tables[key] = nil
            guard let text = core.objects.services[key]?.gatewayTable, plan.kinds.contains(.nodePort) else { continue }
            if let table = try? JSONDecoder().decode(GatewayTable.self, from: Data(text.utf8)) {
                tables[key] = table
            } else {
                unreadable.append(key)
            }
        }
        if proxy != nil || !tables.isEmpty {
            let proxy =
                proxy
                ?? GatewayProxy { notice in
                    switch notice {
                    case .opened(let port): Log.info("gateway is served", ["port": "\(port)"])
                    case .failed(let port, let reason):
                        Log.warning("gateway cannot be served", ["port": "\(port)", "error": reason])
                    }
                }
            self.proxy = proxy
            proxy.serve(configuration(plan, feature.slices, core.objects))
        }
        guard unreadable.isEmpty else {
            let names = unreadable.sorted().map(\.description).joined(separator: ", ")
            throw DatapathError.invalidConfiguration("the gateway's table of \(names) cannot be read")
        }
    }

    private func configuration(
        _ plan: ServicePlan, _ slices: SliceIndex, _ objects: ClusterObjects
    ) -> GatewayProxy.Configuration {
        var configuration = GatewayProxy.Configuration()
        for (key, table) in tables {
            for port in objects.services[key]?.spec.ports ?? [] {
                guard let nodePort = port.nodePort, nodePort != 0 else { continue }
                configuration.ports[nodePort] = GatewayProxy.Port(listener: port.port, table: table)
            }
            for backend in table.backends where configuration.endpoints[backend.key] == nil {
                let name = ObjectKey(namespace: backend.namespace, name: backend.name)
                guard let service = objects.services[name] else { continue }
                let own = slices.slices(of: name).compactMap { objects.endpointSlices[$0] }
                configuration.endpoints[backend.key] = plan.targets(of: service, at: backend.port, own).map {
                    GatewayProxy.Endpoint(address: $0.address, port: $0.port)
                }
            }
        }
        return configuration
    }
}

extension GatewayTable {
    /// All backends that its rules name and that were resolved.
    fileprivate var backends: Set<Backend> {
        Set(listeners.flatMap(\.hosts).flatMap(\.rules).flatMap(\.backends).filter(\.isValid))
    }
}

extension Service {
    /// The text of a gateway's table; nil for a Service that is no gateway's.
    var gatewayTable: String? { metadata.annotations[GatewayTable.annotation] }
}

extension ServicePlan {
    /// The pods that answer at a TCP port of a service.
    func targets(of service: Service, at number: UInt16, _ slices: [EndpointSlice]) -> [ServiceEnd] {
        guard let port = service.spec.ports.first(where: { $0.port == number && $0.protocol == .tcp }) else {
            return []
        }
        return endpoints(of: port, 6, slices).all
    }
}
