import Digest
import Hashing
import JSON
import Kubelet
import Testing

@testable import RealKubelet

@Suite struct ImageRegistryTests {
    private let registry: ImageRegistry

    init() throws {
        let text = """
            {"images": [{"names": ["curl", "*/curl"], "entrypoint": ["curl"], "environment": {"LANG": "C"}},
              {"names": ["busybox"], "command": ["sh"], "user": 7}, {"names": ["echo"], "builtIn": "echo"}]}
            """
        registry = ImageRegistry(try ImageCatalogue(try JSONText.value(of: Array(text.utf8))))
    }

    private func get(_ target: String) -> ImageRegistry.Answer { registry.answer(method: "GET", target: target) }

    /// The configuration and the first layer of what a name stands for.
    private func pull(_ target: String) throws -> (settings: JSONValue, layer: [UInt8]) {
        let manifest = get(target)
        try #require(manifest.status == 200)
        #expect(manifest.digest == "sha256:" + SHA256Digest.hex(of: manifest.body))
        let value = try JSONText.value(of: manifest.body)
        func blob(_ descriptor: JSONValue?) throws -> [UInt8] {
            let digest = try #require(descriptor?["digest"]?.text)
            let answer = get("/v2/any/blobs/\(digest)")
            #expect(answer.status == 200)
            #expect(digest == "sha256:" + SHA256Digest.hex(of: answer.body))
            #expect(descriptor?["size"]?.integerValue == Int64(answer.body.count))
            return answer.body
        }
        let configuration = try JSONText.value(of: try blob(value["config"]))
        let layer = try blob(value["layers"]?.elements?.first)
        #expect(
            configuration["rootfs"]?["diff_ids"]?.elements == [.string("sha256:" + SHA256Digest.hex(of: layer))])
        return (try #require(configuration["config"]), layer)
    }

    @Test func `a name of any registry gives what the catalogue maps it to`() throws {
        let curl = try pull("/v2/some/curl/manifests/8?ns=quay.io").settings
        #expect(curl["Entrypoint"]?.elements == [.string("curl")])
        #expect(curl["Env"]?.elements?.contains(.string("LANG=C")) == true)
        let busybox = try pull("/v2/library/busybox/manifests/latest?ns=docker.io").settings
        #expect(busybox["Cmd"]?.elements == [.string("sh")])
        #expect(busybox["User"]?.text == "7")
        #expect(busybox["Entrypoint"] == nil)
    }

    @Test func `an image of a built-in workload runs the node's own program`() throws {
        let echo = try pull("/v2/library/echo/manifests/1?ns=docker.io").settings
        #expect(echo["Entrypoint"]?.elements == [.string("/labrun-workload"), .string("echo")])
    }

    @Test func `a sandbox finds its program in its image`() throws {
        let (settings, layer) = try pull("/v2/labrun/sandbox/manifests/1?ns=docker.io")
        #expect(settings["Entrypoint"]?.elements == [.string("/sandbox")])
        let files = try TarReader.files(layer)
        #expect(files["sandbox"]?.content == SandboxProgram.file)
        #expect(files["sandbox"]?.mode == 0o755)
        #expect(files["proc/"] != nil)
    }

    @Test func `the layer has the places that the userland is mounted on`() throws {
        let files = try TarReader.files(try pull("/v2/library/busybox/manifests/latest?ns=docker.io").layer)
        for name in ContainerdFiles.userlandFolders { #expect(files[name + "/"] != nil, "\(name)") }
        #expect(files["tmp/"]?.mode == 0o1777)
        #expect(files["labrun-workload"]?.mode == 0o755)
        #expect(
            files["etc/passwd"].map { String(decoding: $0.content, as: UTF8.self) }?.hasPrefix("root:x:0:0") == true)
    }

    @Test(arguments: [
        ("GET", "/v2/", 200), ("GET", "/v2", 200), ("GET", "/v2/library/nope/manifests/1?ns=docker.io", 404),
        ("GET", "/v2/library/busybox/blobs/sha256:00", 404), ("GET", "/v2/library/busybox/tags/list", 404),
        ("GET", "/", 404), ("GET", "", 404), ("GET", "/v2/x", 404), ("PUT", "/v2/library/busybox/manifests/1", 405),
        ("HEAD", "/v2/library/busybox/manifests/latest?ns=docker.io", 200),
    ])
    func `what it does not have it says`(method: String, target: String, status: Int) {
        #expect(registry.answer(method: method, target: target).status == status)
    }

    @Test func `an unknown image is named in the refusal`() throws {
        let refusal = try JSONText.value(of: get("/v2/x/nope/manifests/1?ns=quay.io").body)
        let error = try #require(refusal["errors"]?.elements?.first)
        #expect(error["code"]?.text == "MANIFEST_UNKNOWN")
        #expect(error["message"]?.text == "no image quay.io/x/nope:1")
    }

    @Test func `no request is too odd to be answered`() {
        var numbers = SplitMix64(seed: 46)
        let good = Array("/v2/library/busybox/manifests/latest?ns=docker.io".utf8)
        var statuses: Set<Int> = []
        for _ in 0..<5000 {
            let target = String(decoding: Mutation.of(good, &numbers), as: UTF8.self)
            statuses.insert(registry.answer(method: "GET", target: target).status)
        }
        #expect(statuses.isSubset(of: [200, 404]) && statuses.count == 2, "\(statuses)")
        #expect(get("/v2/" + String(repeating: "a", count: 4000)).status == 414)
    }
}

/// Reads what `TarArchive` writes, as tar(5) says.
enum TarReader {
    struct File {
        var content: [UInt8]
        var mode: Int
    }

    static func files(_ bytes: [UInt8]) throws -> [String: File] {
        var files: [String: File] = [:]
        var offset = 0
        while offset + 512 <= bytes.count, bytes[offset] != 0 {
            let header = Array(bytes[offset..<offset + 512])
            func text(_ range: Range<Int>) -> String {
                String(decoding: header[range].prefix { $0 != 0 && $0 != 32 }, as: UTF8.self)
            }
            let size = try #require(Int(text(124..<136), radix: 8))
            let sum = header.enumerated().reduce(0) { $0 + ((148..<156).contains($1.offset) ? 32 : Int($1.element)) }
            #expect(Int(text(148..<156), radix: 8) == sum)
            #expect(text(257..<262) == "ustar")
            offset += 512
            files[text(0..<100)] = File(
                content: Array(bytes[offset..<offset + size]), mode: try #require(Int(text(100..<108), radix: 8)))
            offset += (size + 511) / 512 * 512
        }
        #expect(bytes.count - offset == 1024)
        return files
    }
}

/// Changes of bytes, the same on every machine.
enum Mutation {
    static func of(_ bytes: [UInt8], _ numbers: inout SplitMix64) -> [UInt8] {
        var bytes = bytes
        func below(_ bound: Int) -> Int { Int(numbers.next() % UInt64(max(1, bound))) }
        for _ in 0...below(3) {
            let place = below(bytes.count)
            switch below(5) {
            case 0 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8(below(8))
            case 1 where !bytes.isEmpty: bytes.remove(at: place)
            case 2: bytes.insert(UInt8(below(256)), at: place)
            case 3 where !bytes.isEmpty:
                bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + below(40))], at: place)
            default: if below(4) == 0 { bytes.removeLast(bytes.count - place) }
            }
        }
        return bytes
    }
}
