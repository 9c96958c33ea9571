/// One run of a reflector, driven by its reader.
///
/// It follows client-go's reflector. The first list takes what the server has at hand (`resourceVersion=0`), which
/// costs a server least when many clients begin at once; a list after an expired version asks for the newest state.
actor ReflectorRun<Object: Sendable> {
    private enum Phase {
        /// With the resource version to list, empty for the newest.
        case list(String)
        case watch
    }

    private let client: KubeClient
    private let selection: KubeSelection
    private let settings: ReflectorSettings
    private let read: @Sendable ([UInt8]) throws -> Object

    private var phase = Phase.list("0")
    private var version = ""
    private var watch: Watch?
    private var watchBegan = Duration.zero
    private var pending: [ReflectorUpdate<Object>] = []
    private var failures = 0
    /// Whether the server has just answered, so that the next request need not wait.
    private var mayGoOn = false
    private var isConnected = false
    private var reason: String?

    init(
        _ client: KubeClient, _ selection: KubeSelection, _ settings: ReflectorSettings,
        _ read: @escaping @Sendable ([UInt8]) throws -> Object
    ) {
        self.client = client
        self.selection = selection
        self.settings = settings
        self.read = read
    }

    /// The next update, nil when the reader's task is cancelled.
    func next() async -> ReflectorUpdate<Object>? {
        while !Task.isCancelled {
            if !pending.isEmpty { return pending.removeFirst() }
            do {
                switch phase {
                case .list(let version): try await list(version)
                case .watch: try await follow()
                }
            } catch let error as KubeClientError {
                failed(error)
            } catch {
                if Task.isCancelled { break }
                failed(.unreachable("\(error)"))
            }
        }
        watch = nil
        return nil
    }

    private func list(_ version: String) async throws {
        try await pauseAfterFailure()
        settings.asked(.list)
        let list = try await client.list(
            selection.resource, namespace: selection.namespace, labelSelector: selection.labelSelector,
            fieldSelector: selection.fieldSelector, resourceVersion: version.isEmpty ? nil : version,
            within: settings.patience, read: read)
        connected()
        pending.append(.listed(list.items))
        pending += list.unreadable.map { .unreadable($0) }
        self.version = list.resourceVersion
        // The failures count on until a watch has shown something: it may be the watch that is refused.
        mayGoOn = true
        phase = .watch
    }

    private func follow() async throws {
        if watch == nil {
            try await pauseAfterFailure()
            let range = settings.watchSeconds
            let seconds = range.lowerBound + Int(Double(range.count) * min(max(settings.chance(), 0), 0.999))
            let request = KubeRequest(
                selection.resource, selection.namespace, labelSelector: selection.labelSelector,
                fieldSelector: selection.fieldSelector,
                [
                    ("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", version),
                    ("timeoutSeconds", "\(seconds)"),
                ])
            settings.asked(.watch)
            let new = Watch(client, request, within: settings.patience, lifetime: .seconds(seconds + 30))
            try await new.begin()
            watch = new
            watchBegan = settings.now()
            connected()
            // The reader should know at once.
            if !pending.isEmpty { return }
        }
        guard let event = try await watch?.next() else {
            watch = nil
            // A server that ends watches at once must not be asked without a pause.
            failures = settings.now() - watchBegan < .seconds(1) ? failures + 1 : 0
            return
        }
        failures = 0
        if let new = event.resourceVersion { version = new }
        if event.kind == .bookmark || event.kind == .error { return }
        let octets = event.object.octets
        do {
            let object = try read(octets)
            switch event.kind {
            case .added: pending.append(.added(object))
            case .modified: pending.append(.modified(object))
            default: pending.append(.deleted(object))
            }
        } catch {
            var unreadable = KubeUnreadable(octets, error)
            unreadable.isDeleted = event.kind == .deleted
            pending.append(.unreadable(unreadable))
        }
    }

    private func pauseAfterFailure() async throws {
        let mustWait = failures > 0 && !mayGoOn
        mayGoOn = false
        if mustWait { try await settings.pause(settings.pause(afterFailures: failures)) }
    }

    private func connected() {
        reason = nil
        if !isConnected { pending.append(.connected) }
        isConnected = true
    }

    private func failed(_ error: KubeClientError) {
        // A watch that has held is none of a row of failures.
        if watch != nil, settings.now() - watchBegan >= settings.longestPause { failures = 0 }
        watch = nil
        failures += 1
        if let status = error.status, status.isExpired || status.isFromTheFuture {
            phase = .list("")
            return
        }
        switch error {
        case .unreachable, .timedOut, .tls: break
        case .refused(let status) where status.code == 429 || status.code >= 500 || status.code == 401: break
        // The server does not take the request as it is, or its answer makes no sense: begin again.
        case .refused, .malformed: phase = .list("")
        }
        let words = "\(error)"
        if isConnected || reason != words { pending.append(.disconnected(reason: words)) }
        isConnected = false
        reason = words
    }
}
