import Synchronization

extension KubeClient {
    /// Asks for everything that the server serves. The answer is kept; `again` asks anew.
    ///
    /// A group that cannot be described, for example because the server behind it is away, is in `missing`, and the
    /// next call asks anew.
    public func discover(again: Bool = false, within limit: Duration = .seconds(10)) async throws -> KubeDiscovery {
        if !again, let kept = known.withLock({ $0.all }) { return kept }
        let deadline = ContinuousClock.now + limit
        async let core = ask(KubeRequest(path: "/api"), within: limit).decoded(as: CoreVersions.self)
        async let groups = ask(KubeRequest(path: "/apis"), within: limit).decoded(as: GroupList.self)
        let named = try await core.versions.map { ("", $0) } + groups.groups.flatMap(\.inOrder)
        guard named.count <= 200 else { throw KubeClientError.malformed("\(named.count) groups and versions") }

        var described: [Int: Result<[KubeServedResource], KubeClientError>] = [:]
        try await withThrowingTaskGroup(of: (Int, Result<[KubeServedResource], KubeClientError>).self) { tasks in
            for (index, (group, version)) in named.enumerated() {
                tasks.addTask {
                    do {
                        return (index, .success(try await self.describe(group, version, within: deadline - .now)))
                    } catch let error as KubeClientError {
                        return (index, .failure(error))
                    }
                }
            }
            for try await (index, result) in tasks { described[index] = result }
        }
        var found = KubeDiscovery(resources: [])
        for (index, (group, version)) in named.enumerated() {
            switch described[index] {
            case .success(let resources)?: found.resources += resources
            case .failure(let error)?: found.missing[group.isEmpty ? version : "\(group)/\(version)"] = "\(error)"
            case nil: break
            }
        }
        if found.missing.isEmpty { known.withLock { $0.all = found } }
        return found
    }

    /// Returns the first of some resources that the server serves, nil if it serves none of them. It asks for the
    /// groups of these only, and keeps what it has found.
    public func firstServed(
        of candidates: [KubeResource], within limit: Duration = .seconds(10)
    ) async throws -> KubeResource? {
        let deadline = ContinuousClock.now + limit
        for candidate in candidates {
            if known.withLock({ $0.served.contains(candidate) }) { return candidate }
            do {
                let resources = try await describe(candidate.group, candidate.version, within: deadline - .now)
                guard resources.contains(where: { $0.resource == candidate }) else { continue }
                known.withLock { _ = $0.served.insert(candidate) }
                return candidate
            } catch KubeClientError.refused(let status) where status.isNotFound {
                continue
            }
        }
        return nil
    }

    private func describe(
        _ group: String, _ version: String, within limit: Duration
    ) async throws -> [KubeServedResource] {
        let list = try await ask(
            KubeRequest(path: KubeResource.root(group: group, version: version)), within: limit
        ).decoded(as: ResourceList.self)
        guard list.resources.count <= 5_000 else {
            throw KubeClientError.malformed("\(list.resources.count) resources of \(group)/\(version)")
        }
        var subresources: [Substring: [String]] = [:]
        for resource in list.resources {
            guard let slash = resource.name.firstIndex(of: "/") else { continue }
            subresources[resource.name[..<slash], default: []]
                .append(String(resource.name[resource.name.index(after: slash)...]))
        }
        return list.resources.filter { !$0.name.contains("/") }.map { resource in
            KubeServedResource(
                resource: KubeResource(
                    group: group, version: version, plural: resource.name, isNamespaced: resource.namespaced),
                kind: resource.kind, singular: resource.singularName ?? "", shortNames: resource.shortNames ?? [],
                verbs: resource.verbs ?? [], subresources: subresources[resource.name[...]] ?? [])
        }
    }
}

/// What a client has found out about its server.
struct KnownResources: Sendable {
    var all: KubeDiscovery?
    var served: Set<KubeResource> = []
}

/// `metav1.APIVersions`: the versions of the core group.
private struct CoreVersions: Decodable, Sendable {
    var versions: [String]
}

/// `metav1.APIGroupList`.
private struct GroupList: Decodable, Sendable {
    struct Group: Decodable {
        struct Version: Decodable {
            var version: String
        }
        var name: String
        var versions: [Version]
        var preferredVersion: Version?

        /// Group and versions, the preferred one first.
        var inOrder: [(String, String)] {
            let first = preferredVersion.map { [$0.version] } ?? []
            return (first + versions.map(\.version).filter { !first.contains($0) }).map { (name, $0) }
        }
    }
    var groups: [Group]
}

/// `metav1.APIResourceList`.
private struct ResourceList: Decodable, Sendable {
    struct Resource: Decodable {
        /// With a slash for a subresource: `pods/status`.
        var name: String
        var singularName: String?
        var namespaced: Bool
        var kind: String
        var verbs: [String]?
        var shortNames: [String]?
    }
    var resources: [Resource]
}
