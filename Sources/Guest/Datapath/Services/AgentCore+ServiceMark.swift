import KubeObjects
import LinuxKernel
import NetAddress

#if canImport(Glibc)
    import Glibc
#endif

extension ServiceMark {
    /// Kinds whose objects say what the service maps hold.
    static let kinds: [ObjectKind] = [.services, .endpointSlices, .nodes, .pods]
    /// Those of which there are so many that a start does not wait for them.
    static let readLater: [ObjectKind] = [.services, .endpointSlices]

    static func path(in state: String) -> String { state + "/services.mark" }
}

extension AgentCore {
    private var markPath: String { ServiceMark.path(in: settings.config.statePath) }

    /// What a mark would say now.
    ///
    /// - Parameters:
    ///   - plan: digest of what services were made by.
    ///   - counted: of what is not known while the objects are not read: their numbers, and the API server's addresses.
    private func mark(plan: UInt64, counted: ServiceMark?) throws -> ServiceMark {
        var files: [ServiceMark.FileStamp] = []
        for kind in ServiceMark.kinds { files.append(try objectStore.stamp(kind)) }
        return ServiceMark(
            plan: plan, program: try .of("/proc/self/exe"), files: files, maps: try services.stamps(),
            services: counted?.services ?? objects.services.count,
            endpointSlices: counted?.endpointSlices ?? objects.endpointSlices.count,
            apiServers: counted?.apiServers ?? apiServers())
    }

    /// Writes down that the maps say what the objects mean, or that nobody knows.
    func markServices() {
        do {
            if restoration != nil { return }
            guard let plannedServices, missedObjects[ObjectConsumer.services.name] == nil else {
                return unmarkServices()
            }
            try mark(plan: plannedServices, counted: nil).save(to: markPath)
        } catch {
            unmarkServices()
            Log.warning("services not marked; the next start plans them anew", ["error": "\(error)"])
        }
    }

    /// Reads services and slices, and takes over what the maps hold of them.
    mutating func loadServices() throws {
        let read = try objectStore.load(ServiceMark.readLater)
        objects.services = read.services
        objects.endpointSlices = read.endpointSlices
        _ = slices.follow(Set(objects.endpointSlices.keys), objects.endpointSlices)
        services = try ServiceTable.open(pins: BPFFilesystem.pins)
    }

    /// Makes the next start plan all services anew.
    func unmarkServices() { unlink(markPath) }

    /// How many objects of a kind there are.
    func count(_ kind: ObjectKind) -> Int {
        switch kind {
        case .services: restoration?.mark.services ?? objects.count(kind)
        case .endpointSlices: restoration?.mark.endpointSlices ?? objects.count(kind)
        default: objects.count(kind)
        }
    }

    /// For the status.
    var serviceStatus: String {
        serviceStart + (restoration == nil ? "" : ", objects being read")
    }

    /// At a start, with the maps' digests taken: whether the objects' part in them can be read later.
    mutating func trustMarkedServices() {
        do {
            let found = try ServiceMark.load(markPath)
            if let difference = found.difference(from: try mark(plan: servicePlan.digest, counted: found)) {
                serviceStart = "planned anew: \(difference)"
            } else {
                serviceStart = "taken over as marked"
                restoration = ServiceRestoration(found)
                policies.apiServers = found.apiServers
            }
        } catch {
            serviceStart = "planned anew: \(error)"
        }
        Log.info("services", ["at start": serviceStart])
    }
}
