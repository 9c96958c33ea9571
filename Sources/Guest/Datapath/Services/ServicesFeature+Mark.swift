import KubeObjects
import LinuxKernel
import NetAddress

#if canImport(Glibc)
    import Glibc
#endif

extension ServiceMark {
    /// The kinds whose objects determine the content of the service maps.
    static let kinds: [ObjectKind] = [.services, .endpointSlices, .nodes, .pods]
    /// The kinds with so many objects that a start does not wait for them.
    static let readLater: [ObjectKind] = [.services, .endpointSlices]

    package static func path(in state: String) -> String { state + "/services.mark" }
}

extension ServicesFeature {
    private func markPath(_ core: borrowing AgentCore) -> String {
        ServiceMark.path(in: core.settings.config.statePath)
    }

    /// Returns the mark for the present state.
    ///
    /// - Parameters:
    ///   - plan: The digest of the plan with which services were made.
    ///   - counted: An earlier mark, which gives the numbers of objects and the API server's addresses until services
    ///     and slices have been read; nil once they have.
    private func newMark(plan: UInt64, counted: ServiceMark?, _ core: borrowing AgentCore) throws -> ServiceMark {
        var files: [ServiceMark.FileStamp] = []
        for kind in ServiceMark.kinds { files.append(try core.objectStore.stamp(kind)) }
        return ServiceMark(
            plan: plan, program: try .of("/proc/self/exe"), files: files, maps: try table.stamps(),
            services: counted?.services ?? core.objects.services.count,
            endpointSlices: counted?.endpointSlices ?? core.objects.endpointSlices.count,
            apiServers: counted?.apiServers ?? core.apiServers())
    }

    /// Writes the mark or, if the maps may not agree with the objects, removes it.
    func mark(_ core: borrowing AgentCore) {
        do {
            if restoration != nil { return }
            guard let plannedServices, core.missedObjects[name] == nil else { return unmark(core) }
            try newMark(plan: plannedServices, counted: nil, core).save(to: markPath(core))
        } catch {
            unmark(core)
            Log.warning("services not marked; the next start plans them anew", ["error": "\(error)"])
        }
    }

    /// Reads services and slices, and takes over the maps' content.
    func load(_ core: inout AgentCore) throws {
        let read = try core.objectStore.load(ServiceMark.readLater)
        core.objects.services = read.services
        core.objects.endpointSlices = read.endpointSlices
        _ = slices.follow(Set(core.objects.endpointSlices.keys), core.objects.endpointSlices)
        table = try ServiceTable.open(pins: BPFFilesystem.pins)
    }

    /// Makes the next start plan all services anew.
    func unmark(_ core: borrowing AgentCore) { unlink(markPath(core)) }

    /// Decides at a start, with the maps' digests computed, whether the objects can be read later.
    func trustMark(_ core: inout AgentCore) {
        do {
            let found = try ServiceMark.load(markPath(core))
            if let difference = found.difference(from: try newMark(plan: plan(core).digest, counted: found, core)) {
                startedBy = "planned anew: \(difference)"
            } else {
                startedBy = "taken over as marked"
                restoration = ServiceRestoration(found)
                core.features.policy.state.apiServers = found.apiServers
            }
        } catch {
            startedBy = "planned anew: \(error)"
        }
        Log.info("services", ["at start": startedBy])
    }
}

extension AgentCore {
    /// The number of objects of a kind.
    func count(_ kind: ObjectKind) -> Int {
        let mark = features.services.restoration?.mark
        return switch kind {
        case .services: mark?.services ?? objects.count(kind)
        case .endpointSlices: mark?.endpointSlices ?? objects.count(kind)
        default: objects.count(kind)
        }
    }
}
