import AgentAPI
import DatapathModel
import KubeObjects
import LinuxKernel
import NetAddress

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

extension Agent {
    /// Answers one request line of the socket. Any input gets a reply line.
    func answer(_ line: [UInt8]) -> [UInt8] {
        do {
            let outline = try? RequestOutline(line)
            let name: String
            do {
                name = try outline?.method ?? JSONDecoder().decode(Envelope.self, from: Data(line)).method
            } catch {
                throw AgentError(code: "malformed-request", message: "not a request: \(error)")
            }
            guard let method = AgentMethod(rawValue: name) else {
                throw AgentError(code: "unknown-method", message: "no method \"\(name.prefix(64))\"")
            }
            switch method {
            case .setObjects, .changeObjects: return result(try takeObjects(method, line, outline))
            default: return try carryOut(method, Data(line))
            }
        } catch let error as AgentError {
            return encoded(AgentReply<Acknowledgement>(error: error))
        } catch let error as DatapathError {
            return encoded(AgentReply<Acknowledgement>(error: AgentError(code: "datapath", message: "\(error)")))
        } catch {
            return encoded(AgentReply<Acknowledgement>(error: AgentError(code: "system", message: "\(error)")))
        }
    }

    private struct Envelope: Decodable { let method: String }

    private func carryOut(_ method: AgentMethod, _ data: Data) throws -> [UInt8] {
        switch method {
        case .status: result(try status())
        case .statusText: result(StatusText.text(try status()))
        case .health: result(try health(try parameters(data)))
        case .healthText: result(HealthText.text(try health(try parameters(data)), time: WallClock.text()))
        case .setNodes: result(try setNodes(try parameters(data)))
        case .setIPCache: result(try setIPCache(try parameters(data)))
        case .setObjects, .changeObjects: result(try takeObjects(method, Array(data), nil))
        case .objects: result(try fingerprints(try parameters(data)))
        case .ipcache: result(try ipcache())
        case .endpoints: result(try endpoints())
        case .policies: result(try withCore { core in try core.features.policy.samples(core) })
        case .names: result(try withCore { core in core.features.proxy.samples(core) })
        case .identities: result(try withCore { core in core.knownIdentities() })
        case .events: result(try events.batch(try parameters(data)))
        case .setTracing: result(try setTracing(try parameters(data)))
        case .metrics: result(try withCore { core in try core.programs.maps.metrics() })
        case .connections: result(try withCore { core in try core.conntrack.list() })
        case .services: result(try withServices { core in core.features.services.table.samples })
        case .loadBalancing: result(try withServices { core in try core.features.services.table.loadBalancing() })
        case .nat: result(try withCore { core in try core.programs.nat.listing() })
        case .cni: result(try cni(try parameters(data)))
        }
    }

    func parameters<Value: Codable & Sendable>(_ data: Data) throws(AgentError) -> Value {
        do {
            guard let value = try JSONDecoder().decode(AgentRequest<Value>.self, from: data).params else {
                throw AgentError(code: "invalid-parameters", message: "params are missing")
            }
            return value
        } catch let error as AgentError {
            throw error
        } catch {
            throw AgentError(code: "invalid-parameters", message: "\(error)")
        }
    }

    private func result<Value: Codable & Sendable>(_ value: Value) -> [UInt8] { encoded(AgentReply(result: value)) }

    private func encoded<Value: Codable & Sendable>(_ reply: AgentReply<Value>) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(reply) else {
            return Array(#"{"error":{"code":"system","message":"the reply cannot be encoded"}}"#.utf8)
        }
        return Array(data)
    }

    // MARK: Methods

    private func status() throws -> AgentStatus {
        verify()
        return try withCore { core in
            var status = AgentStatus(
                nodeName: core.settings.config.nodeName, version: Agent.version, ready: core.problems.isEmpty,
                problems: core.problems, kernel: Self.kernelRelease(), node: core.own,
                knownNodes: core.cluster.nodes.map(\.name).sorted(), endpointCount: core.endpoints.count,
                addressesInUse: core.pool.inUse, addressesTotal: core.pool.capacity,
                values: core.settings.config.values, routing: core.settings.routing.text,
                podMTU: core.devices.routeMTU,
                programs: (try? core.programs.inspect(core.devices).attached) ?? [],
                starts: core.starts,
                objects: Dictionary(
                    uniqueKeysWithValues: ObjectKind.allCases.map { ($0.rawValue, core.count($0)) }
                        .filter { $0.1 > 0 }),
                objectProblems: core.objectProblems.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" },
                kernelFeatures: core.settings.kernelFeatures.states, fallbacks: core.settings.fallbacks)
            status.endpointsWithoutVeth = core.endpoints.values.filter(\.isWithoutVeth)
                .map { "\($0.namespace)/\($0.name)" }.sorted()
            status.maps = core.conntrack.gauges
            let traced = try core.programs.maps.configuration()?.tracePoints ?? []
            status.tracing = TracingSample(
                points: TracePoint.allCases.filter(traced.contains).map(\.description),
                silent: TracePoint.allCases.filter { !traced.contains($0) }.map(\.description))
            status.flowCachePackets = try core.programs.maps.packetsServedByFlowCache()
            status.forwardedPackets = try core.programs.maps.packetsForwarded()
            for feature in core.features.all { feature.describe(core, in: &status) }
            // Slices that are not read yet are as they were when the maps were marked.
            if core.features.services.restoration == nil { status.readyEndpoints = core.objects.readyEndpointCount }
            status.memory = Self.memory()
            status.apiServer = server?.status
            return status
        }
    }

    private static func memory() -> MemorySample? {
        guard let octets = try? FileDescriptor.open("/proc/self/status", O_RDONLY).readToEnd() else { return nil }
        return MemorySample(procStatus: String(decoding: octets, as: UTF8.self))
    }

    private func health(_ request: HealthRequest) throws -> HealthReport {
        guard (1...60_000).contains(request.deadlineMillis) else {
            throw AgentError(code: "invalid-parameters", message: "deadlineMillis must be 1 to 60000")
        }
        // The probes take up to the deadline, so they run without the lock.
        let (own, nodes) = try withCore { core in (core.own, core.cluster.nodes) }
        return try HealthProbe.report(own: own, nodes: nodes, deadline: .milliseconds(request.deadlineMillis))
    }

    private func setNodes(_ set: NodeSet) throws -> Acknowledgement {
        guard Set(set.nodes.map(\.name)).count == set.nodes.count else {
            throw AgentError(code: "invalid-parameters", message: "a node is named twice")
        }
        try withCore { core in
            var cluster = core.cluster
            cluster.nodes = set.nodes
            try core.replaceCluster(cluster)
        }
        return Acknowledgement()
    }

    private func setIPCache(_ set: IPCacheSet) throws -> Acknowledgement {
        try withCore { core in
            var cluster = core.cluster
            cluster.entries = set.entries
            try core.replaceCluster(cluster)
        }
        return Acknowledgement()
    }

    private func ipcache() throws -> [AgentAPI.IPCacheEntry] {
        let content = try withCore { core in try core.programs.maps.ipcache() }
        return content.sorted { $0.key < $1.key }.map { range, value in
            AgentAPI.IPCacheEntry(
                address: range.address.description, prefix: range.prefixLength, identity: value.identity,
                tunnelEndpoint: value.tunnelEndpoint?.description)
        }
    }

    private func endpoints() throws -> [AgentEndpoint] {
        try withCore { core in
            core.endpoints.values.sorted { $0.id < $1.id }.map { endpoint in
                AgentEndpoint(
                    id: endpoint.id, identity: endpoint.identity, labels: endpoint.labels,
                    namespace: endpoint.namespace, name: endpoint.name, address: endpoint.address,
                    interface: endpoint.hostInterface, ifindex: endpoint.ifindex, mac: endpoint.mac,
                    state: endpoint.phase == .creating ? "restoring" : endpoint.phase.rawValue,
                    identityLabels: core.identityLabels(of: endpoint),
                    policyEnforcement: endpoint.isWithoutVeth
                        ? []
                        : TrafficDirection.allCases.filter(endpoint.enforcement.directions.contains)
                            .map(\.description))
            }
        }
    }

    private func setTracing(_ request: TracingRequest) throws -> Acknowledgement {
        var points: Set<TracePoint> = []
        for name in request.points {
            guard let point = TracePoint(name: name) else {
                let known = TracePoint.allCases.map(\.description).joined(separator: ", ")
                throw AgentError(code: "invalid-parameters", message: "no trace point \"\(name)\"; known: \(known)")
            }
            points.insert(point)
        }
        try withCore { core in try core.configure(tracePoints: points) }
        return Acknowledgement()
    }

    private func cni(_ request: CNIRequest) throws -> CNIReply {
        // The API server is asked without the lock.
        var request = request
        if let server {
            do {
                request = try server.describing(request)
            } catch {
                return ServerLink.refusal(of: request, error)
            }
            if let refusal = server.allocateIdentity(for: request, self) { return refusal }
        }
        let reply = try withCore { [request] core in core.answer(request) }
        addressesChanged()
        server?.endpointsChanged()
        return reply
    }

    private static func kernelRelease() -> String {
        var names = utsname()
        uname(&names)
        return withUnsafeBytes(of: names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

extension AgentCore {
    /// Takes over an announced cluster: it is checked, then stored, then written to the kernel.
    mutating func replaceCluster(_ cluster: StateStore.Cluster) throws {
        _ = try IPCachePlan.desired(
            own: own, nodes: cluster.nodes, remote: cluster.entries, endpoints: Array(endpoints.values),
            isTunnelled: settings.routing.tunnel != nil)
        let remote = try identities.remoteIdentities(in: cluster.entries)
        try store.save(cluster)
        let nodesDiffer = Set(cluster.nodes.map(\.address)) != Set(self.cluster.nodes.map(\.address))
        self.cluster = cluster
        identities.remote = remote
        try enforcePolicies()
        try reconcileIPCache()
        try reconcileRoutes()
        if nodesDiffer { for feature in features.all { try feature.nodesChanged(&self) } }
    }
}
