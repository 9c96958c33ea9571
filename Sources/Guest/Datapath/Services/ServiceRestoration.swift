import KubeObjects
import LinuxKernel
import Synchronization

/// Reads services and endpoint slices after a start with maps that were marked as right, and compares them with the
/// maps while the agent already works. Code that needs them waits for this.
final class ServiceRestoration: Sendable {
    /// What is known before the objects are read.
    let mark: ServiceMark
    private let outcome = Mutex<Result<Void, any Error>?>(nil)
    private let ended = EventSignal()
    private static let patience = Duration.seconds(120)

    init(_ mark: ServiceMark) { self.mark = mark }

    func end(_ result: Result<Void, any Error>) {
        outcome.withLock { $0 = result }
        ended.notify()
    }

    /// - Throws: The reason why the objects could not be taken over.
    func wait() throws {
        ended.wait(until: .after(Self.patience)) { outcome.withLock { $0 != nil } }
        guard let result = outcome.withLock({ $0 }) else {
            throw DatapathError.kernel("services are still being read after \(Self.patience)")
        }
        try result.get()
    }
}

extension Agent {
    /// Waits until services and endpoint slices are known. Only right after a start are they not.
    func waitForServices() throws { try withCore { core in core.features.services.restoration }?.wait() }

    /// Runs the body with the lock held, once services and endpoint slices are known.
    func withServices<Result: Sendable>(_ body: (inout AgentCore) throws -> Result) throws -> Result {
        try waitForServices()
        return try withCore(body)
    }

    /// Reads what the start left for later, on a thread of its own.
    func restoreServices() {
        guard let restoration = try? withCore({ core in core.features.services.restoration }) else { return }
        startThread("services") {
            let result = Result { try self.readServices() }
            if case .failure(let error) = result {
                Log.error("services not read", ["error": "\(error)"])
                try? self.withCore { core in
                    let services = core.features.services
                    core.objectProblems[services.name] = "\(error)"
                    services.unmark(core)
                }
            }
            restoration.end(result)
        }
    }

    /// Reads without the lock, except at the beginning and the end. Meanwhile, changes of these objects wait, and
    /// nothing else changes the maps.
    private func readServices() throws {
        let begin = try withCore { core in
            (store: core.objectStore, objects: core.objects, plan: core.features.services.plan(core))
        }
        var (store, objects) = (begin.store, begin.objects)
        let read = try store.load(ServiceMark.readLater)
        objects.services = read.services
        objects.endpointSlices = read.endpointSlices
        var slices = SliceIndex()
        _ = slices.follow(Set(objects.endpointSlices.keys), objects.endpointSlices)
        var table = try ServiceTable.open(pins: BPFFilesystem.pins)
        try table.reconcile(
            begin.plan, services: Set(objects.services.keys), pods: Set(objects.pods.keys), objects, slices)
        var handed: ServiceTable? = consume table
        try withCore { core in
            guard let table = handed.take() else { return }
            let services = core.features.services
            services.table = table
            core.objects.services = objects.services
            core.objects.endpointSlices = objects.endpointSlices
            services.slices = slices
            services.plannedServices = begin.plan.digest
            core.objectStore.adopt(ServiceMark.readLater, from: store)
            services.restoration = nil
            services.mark(core)
            core.features.healthChecks.serve(Set(objects.services.keys), core)
            do {
                try core.features.gateways.serve(Set(objects.services.keys), core)
            } catch {
                core.objectProblems[core.features.gateways.name] = "\(error)"
            }
        }
        Log.info("services read", ["services": "\(objects.services.count)"])
    }
}
