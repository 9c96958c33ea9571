import Foundation
import Testing

@testable import NodeImage

/// The userland disk with what a user adds to it.
@Suite struct UserlandAdditionsTests {
    private let fixture: StoreFixture

    init() throws { fixture = try StoreFixture() }

    private func binary(_ name: String, _ text: String) throws -> UserlandAdditions.Binary {
        let path = "\(fixture.directory.path)/\(name)"
        try Data(text.utf8).write(to: URL(filePath: path))
        return .init(name: name, path: path)
    }

    private func files(of disk: UserlandArtifact) async throws -> String {
        try await BuildTool.run("unsquashfs", ["-llnumeric", disk.path])
    }

    private func text(_ path: String, in disk: UserlandArtifact) async throws -> String {
        try await BuildTool.run("unsquashfs", ["-cat", disk.path, path])
    }

    @Test func `packages and binaries are on the disk, and can be executed by everybody`() async throws {
        let store = fixture.store()
        let plain = try await store.ensureUserland(.small)
        let additions = UserlandAdditions(packages: ["cowsay", "busybox"], binaries: [try binary("server", "one")])
        let disk = try await store.ensureUserland(.small, adding: additions)
        #expect(disk.digest != plain.digest)
        #expect(disk.packages == ["busybox 1:1.35", "cowsay 3.03"])
        let listing = try await files(of: disk)
        #expect(listing.contains("squashfs-root/usr/games/cowsay"))
        let line = try #require(listing.split(separator: "\n").first { $0.hasSuffix("/usr/local/bin/server") })
        #expect(line.hasPrefix("-rwxr-xr-x 0/0"), "\(line)")
        #expect(try await text("usr/local/bin/server", in: disk) == "one")
        // The disk of everybody stays what it was, and both come from the cache.
        let asked = fixture.archive.asked
        #expect(try await store.ensureUserland(.small) == plain)
        #expect(try await store.ensureUserland(.small, adding: additions) == disk)
        #expect(fixture.archive.asked == asked)
        #expect(store.currentUserlands() == [plain.digest, disk.digest])
    }

    @Test func `another build of a binary makes another disk, and nobody is asked`() async throws {
        let store = fixture.store()
        let first = try await store.ensureUserland(
            .small, adding: UserlandAdditions(packages: ["cowsay"], binaries: [try binary("server", "one")]))
        fixture.archive.state.withLock { $0.mode = .offline }
        let second = try await store.ensureUserland(
            .small, adding: UserlandAdditions(packages: ["cowsay"], binaries: [try binary("server", "two")]))
        #expect(first.digest != second.digest)
        #expect(try await text("usr/local/bin/server", in: second) == "two")
        // Only the newest of the same names is kept.
        #expect(try await store.prune(keeping: []).userlands == [first.digest])
        #expect(try store.userlands() == [second])
        #expect(try await store.prune(keeping: [], everything: true).userlands == [second.digest])
        #expect(store.currentUserlands().isEmpty)
    }

    @Test func `binaries alone need no archive once the disk of everybody was made`() async throws {
        let store = fixture.store()
        let plain = try await store.ensureUserland(.small)
        fixture.archive.state.withLock { $0.mode = .offline }
        let disk = try await store.ensureUserland(
            .small, adding: UserlandAdditions(binaries: [try binary("server", "one")]))
        #expect(disk.digest != plain.digest)
        #expect(store.cachedUserland(.small) == plain)
        // It has no package that is not known.
        await #expect(throws: ImageError.self) {
            try await store.ensureUserland(.small, adding: UserlandAdditions(packages: ["cowsay"]))
        }
    }

    @Test func `packages that the archive lacks are told, and leave nothing`() async throws {
        let store = fixture.store()
        let before = fixture.files()
        let error = await #expect(throws: UnknownPackages.self) {
            try await store.ensureUserland(.small, adding: UserlandAdditions(packages: ["cowsya", "fortune"]))
        }
        #expect(error?.names == ["cowsya"])
        #expect(error?.known.contains("cowsay") == true)
        #expect(fixture.files() == before)
    }

    @Test func `a binary that cannot be read, or changes meanwhile, is an error`() async throws {
        let store = fixture.store()
        let missing = UserlandAdditions(binaries: [.init(name: "server", path: fixture.directory.path + "/none")])
        await #expect { try await store.ensureUserland(.small, adding: missing) } throws: {
            ($0 as? ImageError)?.code == .packagesUnusable
        }
        var recipe = UserlandRecipe.small
        recipe.added = .init(packages: [], binaries: [.init(name: "server", sha256: "of other bytes")])
        let archive = try await fixture.archive.resolve(recipe, scratch: "")
        let debs = try await fixture.archive.download(archive.packages, scratch: fixture.directory.path)
        let builder = UserlandBuilder(userland: archive, binaries: [try binary("server", "one")])
        let error = await #expect(throws: ImageError.self) {
            try await builder.build(
                debs: debs, scratch: fixture.directory.path, path: fixture.directory.path + "/disk")
        }
        #expect(error?.message.contains("has changed while the disk was made") == true)
    }

    /// A cache of an earlier version has no word about additions.
    @Test func `what was resolved before there were additions is still known`() throws {
        let recipe = try JSONEncoder().encode(UserlandRecipe.standard)
        #expect(!String(decoding: recipe, as: UTF8.self).contains("added"))
        #expect(try JSONDecoder().decode(UserlandRecipe.self, from: recipe) == .standard)
        #expect(
            ResolvedUserland(recipe: .standard, packages: []).digest
                == ResolvedUserland(recipe: try UserlandRecipe.standard.adding(.none), packages: []).digest)
    }

    @Test func `what a user asks for is never left out`() throws {
        let recipe = try UserlandRecipe.standard.adding(UserlandAdditions(packages: ["openssl", "curl"]))
        #expect(!recipe.leavesOut("openssl"))
        #expect(recipe.leavesOut("perl-base"))
        #expect(UserlandRecipe.standard.leavesOut("openssl"))
        #expect(recipe.added?.packages == ["openssl"])
    }
}
