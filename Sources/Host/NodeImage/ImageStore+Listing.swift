import Foundation

extension ImageStore {
    /// What `prune` removed.
    public struct PruneResult: Sendable, Equatable {
        /// Digests of removed images.
        public let images: [String]
        /// Digests of removed userland disks.
        public let userlands: [String]
        /// Digests of removed control planes.
        public let controlPlanes: [String]
        /// Digests of removed kubelets' disks.
        public var kubeletDisks: [String] = []
        /// The bytes that were freed, including those of kernels and packages.
        public let bytes: Int
    }

    /// Returns the complete images in the cache, by series, and the newest first within a series.
    public func list() throws -> [NodeImageArtifact] {
        let found = try ImageCache.names(in: cache.images).compactMap { name -> (NodeImageArtifact, Date)? in
            let place = cache.image(name)
            guard let manifest = ImageManifest.load(place) else { return nil }
            let made = (try? FileManager.default.attributesOfItem(atPath: place)[.modificationDate]) as? Date
            return (manifest.artifact(in: place), made ?? .distantPast)
        }
        return found.sorted { left, right in
            left.0.series != right.0.series
                ? left.0.series < right.0.series : (right.1, left.0.digest) < (left.1, right.0.digest)
        }.map(\.0)
    }

    /// Returns the digests that `ensure` would answer with now without building: the images of today's guest binaries,
    /// including those with the checks of the datapath.
    public func current() -> Set<String> {
        let digests = [false, true].flatMap { hasChecks -> [String] in
            guard let guest = try? GuestBinaries.locate(in: guestDirectories, withChecks: hasChecks) else { return [] }
            return KernelSeries.allCases.compactMap {
                cached(ImageRecipe(series: $0, hasChecks: hasChecks), guest)?.digest
            }
        }
        return Set(digests)
    }

    /// Removes what is not needed any more: images whose digest is not in `keeping`, userland disks and control planes
    /// other than the current ones, incomplete ones, and what killed builds left behind. Kernels and packages go, too,
    /// unless a kept image needs them or, without `everything`, a known series does.
    ///
    /// A running lab has opened its image already, but it cannot boot further nodes from a removed one.
    @discardableResult
    public func prune(
        keeping: Set<String>, everything: Bool = false, progress: Progress? = nil
    ) async throws -> PruneResult {
        guard FileManager.default.fileExists(atPath: cache.root) else {
            return PruneResult(images: [], userlands: [], controlPlanes: [], bytes: 0)
        }
        try cache.makeDirectories()
        return try await ImageLock.hold(cache.lockFile, waiting: { progress?(.waitingForOtherBuild) }) {
            let before = Self.diskUsage(cache.root)
            try cache.clearScratch()
            var kernels: Set<String> = []
            var packages: Set<String> = []
            var removed: [String] = []
            for name in try ImageCache.names(in: cache.images) {
                if keeping.contains(name), let manifest = ImageManifest.load(cache.image(name)) {
                    kernels.insert(KernelTree.digest(of: manifest.recipe, manifest.kernel))
                    packages.formUnion(manifest.kernel.packages.map(\.sha256))
                } else {
                    // It is renamed first, so that an image is there as a whole or not at all, even if this process is
                    // killed.
                    let doomed = "\(cache.scratch)/\(name)"
                    try ImageCache.rename(cache.image(name), doomed)
                    try ImageCache.remove(doomed)
                    removed.append(name)
                }
            }
            for series in KernelSeries.allCases {
                guard let kernel = resolved(series) else { continue }
                let digest = KernelTree.digest(of: ImageRecipe(series: series), kernel)
                if everything, !kernels.contains(digest) {
                    try ImageCache.remove(cache.resolved(series))
                } else {
                    kernels.insert(digest)
                    packages.formUnion(kernel.packages.map(\.sha256))
                }
            }
            let userlands = try pruneUserlands(everything: everything, packages: &packages)
            let controlPlanes = try pruneControlPlanes(everything: everything, packages: &packages)
            let kubeletDisks = try pruneKubeletDisks(everything: everything, packages: &packages)
            for name in try ImageCache.names(in: cache.kernels) where !kernels.contains(name) {
                try ImageCache.remove(cache.kernel(name))
            }
            for name in try ImageCache.names(in: cache.debs) where !packages.contains(String(name.prefix(64))) {
                try ImageCache.remove("\(cache.debs)/\(name)")
            }
            return PruneResult(
                images: removed, userlands: userlands, controlPlanes: controlPlanes, kubeletDisks: kubeletDisks,
                bytes: max(0, before - Self.diskUsage(cache.root)))
        }
    }

    /// Removes the control planes that `ensureControlPlane` would not answer with, or all of them with `everything`.
    /// Their sources and packages go, once they are built, since only another recipe would need them again.
    private func pruneControlPlanes(everything: Bool, packages: inout Set<String>) throws -> [String] {
        let kept = everything ? nil : resolvedControlPlane()
        if let kept, ControlPlaneManifest.load(cache.controlPlane(kept.digest)) == nil {
            packages.formUnion(kept.packages.map(\.sha256) + kept.source.files.map(\.sha256))
        }
        if everything { try ImageCache.remove(cache.resolvedControlPlane) }
        return try removeAll(in: cache.controlPlanes, except: Set([kept?.digest].compactMap { $0 }))
    }

    /// The same of kubelets' disks.
    private func pruneKubeletDisks(everything: Bool, packages: inout Set<String>) throws -> [String] {
        let kept = everything ? nil : resolvedKubeletDisk()
        if let kept, KubeletDiskManifest.load(cache.kubeletDisk(kept.digest)) == nil {
            packages.formUnion(kept.build.packages.map(\.sha256) + kept.build.source.files.map(\.sha256))
        }
        if everything { try ImageCache.remove(cache.resolvedKubeletDisk) }
        return try removeAll(in: cache.kubeletDisks, except: Set([kept?.digest].compactMap { $0 }))
    }

    /// Removes the disks that `ensureUserland` would not answer with, or all of them with `everything`. Returns the
    /// digests of the removed ones, and adds the packages that are still needed to `packages`.
    private func pruneUserlands(everything: Bool, packages: inout Set<String>) throws -> [String] {
        var kept: Set<String> = []
        for place in try cache.resolvedUserlands() {
            if !everything, let userland = resolvedUserland(at: place) {
                kept.insert(userland.digest)
                packages.formUnion(userland.packages.map(\.sha256))
            } else {
                try ImageCache.remove(place)
            }
        }
        return try removeAll(in: cache.userlands, except: kept)
    }

    /// Removes the folders of `place` but some, and returns their names. Each is there as a whole or not at all.
    private func removeAll(in place: String, except kept: Set<String>) throws -> [String] {
        try ImageCache.names(in: place).filter { !kept.contains($0) }.map { name in
            let doomed = "\(cache.scratch)/removed-\(name)"
            try ImageCache.rename("\(place)/\(name)", doomed)
            try ImageCache.remove(doomed)
            return name
        }
    }

    /// Returns the bytes on disk below a directory. A file with several names counts once.
    static func diskUsage(_ root: String) -> Int {
        guard let walk = FileManager.default.enumerator(atPath: root) else { return 0 }
        var seen: Set<UInt64> = []
        var bytes = 0
        for case let name as String in walk {
            var status = stat()
            guard lstat("\(root)/\(name)", &status) == 0, seen.insert(UInt64(status.st_ino)).inserted else { continue }
            bytes += Int(status.st_blocks) * 512
        }
        return bytes
    }
}
