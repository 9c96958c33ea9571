import Foundation

extension ImageStore {
    /// Returns the userland disk, from the cache if it is there (without network and lock), else built now.
    ///
    /// - Parameters:
    ///   - additions: What a user adds.
    ///   - refresh: Whether the archive is asked for newer packages first.
    /// - Throws: ``ImageError``; ``UnknownPackages``. The cache is then as it was before.
    public func ensureUserland(
        _ recipe: UserlandRecipe = .standard, adding additions: UserlandAdditions = .none, refresh: Bool = false,
        progress: Progress? = nil
    ) async throws -> UserlandArtifact {
        let recipe = try recipe.adding(additions)
        if !refresh, let artifact = cachedUserland(recipe) { return artifact }
        try cache.makeDirectories()
        return try await ImageLock.hold(cache.lockFile, waiting: { progress?(.waitingForOtherBuild) }) {
            if !refresh, let artifact = cachedUserland(recipe) { return artifact }
            try cache.clearScratch()
            defer { try? cache.clearScratch() }
            let artifact = try await buildUserland(recipe, additions, refresh: refresh, progress)
            progress?(.userlandReady(digest: artifact.digest))
            return artifact
        }
    }

    /// Returns the complete userland disks in the cache, sorted by digest.
    public func userlands() throws -> [UserlandArtifact] {
        try ImageCache.names(in: cache.userlands).compactMap { name in
            UserlandManifest.load(cache.userland(name))?.artifact(in: cache.userland(name))
        }
    }

    /// Returns the disk that `ensureUserland` would return now without building one, or nil.
    public func cachedUserland(_ recipe: UserlandRecipe = .standard) -> UserlandArtifact? {
        guard let resolved = resolvedUserland(recipe), resolved.recipe == recipe else { return nil }
        let place = cache.userland(resolved.digest)
        return UserlandManifest.load(place)?.artifact(in: place)
    }

    /// Returns the digests of the disks that labs would attach now, with what users add and without.
    public func currentUserlands() -> Set<String> {
        Set(((try? cache.resolvedUserlands()) ?? []).compactMap { resolvedUserland(at: $0)?.digest })
    }

    func resolvedUserland(_ recipe: UserlandRecipe) -> ResolvedUserland? {
        resolvedUserland(at: cache.resolvedUserland(recipe))
    }

    func resolvedUserland(at path: String) -> ResolvedUserland? {
        FileManager.default.contents(atPath: path)
            .flatMap { try? JSONDecoder().decode(ResolvedUserland.self, from: $0) }
    }

    /// Returns the packages that a recipe stood for when the archive was last asked, if the cache has them: those of the
    /// same names with other binaries, or of the disk of everybody, if the user adds none.
    private func known(_ recipe: UserlandRecipe) -> ResolvedUserland? {
        var plain = recipe
        plain.added = nil
        for place in [recipe, plain].map(cache.resolvedUserland) {
            guard let known = resolvedUserland(at: place), known.recipe.asksTheSame(as: recipe),
                known.packages.allSatisfy({ ImageCache.size(of: cache.deb($0)) == $0.bytes })
            else { continue }
            return ResolvedUserland(recipe: recipe, packages: known.packages)
        }
        return nil
    }

    // MARK: Building, with the lock held

    private func buildUserland(
        _ recipe: UserlandRecipe, _ additions: UserlandAdditions, refresh: Bool, _ progress: Progress?
    ) async throws -> UserlandArtifact {
        let scratch = try cache.makeScratch()
        let userland: ResolvedUserland
        if !refresh, let found = known(recipe) {
            userland = found
        } else {
            progress?(.resolvingUserland(suite: recipe.suite))
            userland = try await source.resolve(recipe, scratch: scratch)
            try await fetch(userland.packages, scratch: scratch, progress)
        }
        if resolvedUserland(recipe) != userland {
            try cache.writeAtomically(
                JSONEncoder.stable.encode(userland), to: cache.resolvedUserland(recipe), makeSink: makeSink)
        }
        let digest = userland.digest
        let place = cache.userland(digest)
        if let manifest = UserlandManifest.load(place) { return manifest.artifact(in: place) }

        progress?(.packingUserland(packages: userland.packages.count))
        try verify(userland.packages)
        let output = try cache.makeScratch()
        let disk = "\(output)/\(UserlandManifest.disk)"
        try await UserlandBuilder(userland: userland, binaries: additions.binaries)
            .build(debs: userland.packages.map(cache.deb), scratch: scratch, path: disk)
        let (bytes, sha256) = try FileSource.measure(disk)
        let manifest = UserlandManifest(digest: digest, userland: userland, bytes: bytes, sha256: sha256)
        let description = try makeSink(output + "/manifest.json")
        try JSONEncoder.stable.encode(manifest).withUnsafeBytes { try description.write($0) }
        try description.finish()
        try cache.publish(output, as: place)
        return manifest.artifact(in: place)
    }
}
