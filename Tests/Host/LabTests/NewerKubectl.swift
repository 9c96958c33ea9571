import Foundation
import NamespaceHarness
import Testing

@testable import NodeImage

/// kubectl of Debian trixie, twelve versions newer than the servers that labs have by default. It asks for
/// what these do not have (WebSockets for `exec` and `port-forward`, discovery in one piece, OpenAPI version 3) before
/// it does as they need.
struct NewerKubectl: Sendable {
    let path: String

    private static let suite = "trixie"
    private static let package = "kubectl"

    /// Takes the package from the cache, or else from the archive with its signatures, and unpacks it below a folder.
    init(in folder: ScratchFolder) async throws {
        let store = ImageStore()
        let place = store.cacheDirectory + "/resolved/kubectl-\(Self.suite).json"
        try store.cache.makeDirectories()
        let package = try await ImageLock.hold(store.cache.lockFile, waiting: {}) {
            if let data = FileManager.default.contents(atPath: place),
                let known = try? JSONDecoder().decode(DebianPackage.self, from: data),
                ImageCache.size(of: store.cache.deb(known)) == known.bytes
            {
                return known
            }
            let scratch = try store.cache.makeScratch()
            defer { try? ImageCache.remove(scratch) }
            let archive = try #require(store.source as? DebianArchive)
            try await archive.refreshIndex(of: Self.suite, scratch: scratch)
            let package = try #require(try await archive.entries(of: [Self.package], scratch)[Self.package])
            try await store.fetch([package], scratch: scratch, nil)
            try store.cache.writeAtomically(
                JSONEncoder().encode(package), to: place, makeSink: { try FileSink($0) })
            return package
        }
        try store.verify([package])
        let unpacked = folder.path + "/newer-kubectl"
        try await BuildTool.run("dpkg-deb", ["-x", store.cache.deb(package), unpacked])
        path = unpacked + "/usr/bin/kubectl"
    }

    /// What a run of kubectl was asked, and how it ended.
    struct Answer: Sendable {
        let words: [String]
        let ended: LabrunProgram.Ended
        var text: String { "kubectl \(words.joined(separator: " ")): \(ended)" }
    }

    /// Asks for everything that users ask kubectl for, in the only lab that runs, which has a deployment `web` of the
    /// image `echo`.
    ///
    /// - Parameter folder: Where manifests go.
    func converse(_ labrun: LabrunProgram, in folder: ScratchFolder) async throws -> [String: Answer] {
        let (served, applied) = (folder.path + "/served.yaml", folder.path + "/applied.yaml")
        try Self.served.write(toFile: served, atomically: true, encoding: .utf8)
        try Self.applied.write(toFile: applied, atomically: true, encoding: .utf8)
        var answers: [String: Answer] = [:]
        func ask(_ name: String, _ words: [String]) async throws {
            answers[name] = Answer(words: words, ended: try await run(labrun, words))
        }
        try await ask("version", ["version"])
        try await ask("nodes", ["get", "nodes", "-o", "wide"])
        try await ask("server-side", ["apply", "--server-side", "-f", served])
        try await ask("server-side again", ["apply", "--server-side", "-f", served])
        try await ask("apply", ["apply", "-f", applied])
        try await ask("wait", ["wait", "pod/talker", "--for=condition=Ready", "--timeout=60s"])
        try await ask("logs", ["logs", "-f", "pod/talker"])
        try Self.applied.replacing("one", with: "two").write(toFile: applied, atomically: true, encoding: .utf8)
        try await ask("apply again", ["apply", "-f", applied])
        try await ask("ended", ["wait", "pod/talker", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s"])
        try await ask("exec", ["exec", "deployment/web", "--", "sh", "-c", "echo out; echo err >&2; exit 3"])
        try await ask("input", ["exec", "-i", "deployment/web", "--", "cat"])
        answers["port-forward"] = try await forward(labrun)
        try await ask("explain", ["explain", "deployments.spec.replicas"])
        try await ask("delete", ["delete", "-f", applied, "-f", served, "--timeout=60s"])
        try await ask("gone", ["get", "pod/talker"])
        return answers
    }

    private func run(_ labrun: LabrunProgram, _ words: [String]) async throws -> LabrunProgram.Ended {
        try await labrun.run(["lab", "kubectl", "--kubectl", path, "--"] + words)
    }

    /// Forwards a port, and asks for a document through it. Ports are those of the servers' host, so kubectl itself is
    /// the client, too.
    private func forward(_ labrun: LabrunProgram) async throws -> Answer {
        let words = ["port-forward", "--pod-running-timeout=20s", "deployment/web", "18080:8080"]
        let forwarding = Process()
        let (output, errors) = (Pipe(), Pipe())
        forwarding.executableURL = URL(fileURLWithPath: labrun.path)
        forwarding.arguments = ["lab", "kubectl", "--kubectl", path, "--"] + words
        forwarding.standardOutput = output
        forwarding.standardError = errors
        try forwarding.run()
        defer {
            forwarding.terminate()
            forwarding.waitUntilExit()
        }
        // It says where it listens, or ends.
        var said = Data()
        while !said.contains(UInt8(ascii: "\n")) {
            let chunk = output.fileHandleForReading.availableData
            guard !chunk.isEmpty else {
                let reason = String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self)
                return Answer(words: words, ended: .init(status: 1, output: "", errors: reason))
            }
            said += chunk
        }
        let asked = try await run(labrun, ["--server", "http://127.0.0.1:18080", "get", "--raw", "/hello"])
        return Answer(
            words: words,
            ended: .init(
                status: asked.status, output: String(decoding: said, as: UTF8.self) + asked.output,
                errors: asked.errors))
    }

    private static let served = """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: greeting}
        data: {greeting: hello}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: talker}
        spec: {selector: {app: talker}, ports: [{port: 80, protocol: TCP}]}
        """

    private static let applied = """
        apiVersion: v1
        kind: Pod
        metadata: {name: talker, labels: {app: talker, edition: one}}
        spec:
          restartPolicy: Never
          containers:
            - name: talker
              image: busybox
              command: [sh, -c, "echo first; sleep 8; echo second"]
        """
}

/// Expects of each answer what the servers' own kubectl would get.
func expectServed(_ answers: [String: NewerKubectl.Answer], nodes: Int) {
    func expect(_ name: String, status: Int32 = 0, output: String = "", errors: String = "") {
        guard let answer = answers[name] else {
            Issue.record("\(name) was not asked")
            return
        }
        #expect(answer.ended.status == status, "\(answer.text)")
        #expect(output.isEmpty || answer.ended.output.contains(output), "\(answer.text)")
        #expect(errors.isEmpty || answer.ended.errors.contains(errors), "\(answer.text)")
    }
    expect("version", output: "Client Version: v1.32.")
    expect("version", output: "Server Version: v1.")
    expect("nodes", output: "INTERNAL-IP")
    #expect(answers["nodes"]?.ended.output.split(separator: "\n").count == nodes + 1)
    expect("server-side", output: "configmap/greeting serverside-applied")
    expect("server-side", output: "service/talker serverside-applied")
    expect("server-side again", output: "configmap/greeting serverside-applied")
    expect("apply", output: "pod/talker created")
    expect("apply again", output: "pod/talker configured")
    expect("wait", output: "pod/talker condition met")
    expect("logs", output: "first\nsecond\n")
    expect("ended", output: "pod/talker condition met")
    expect("exec", status: 3, output: "out\n", errors: "err\n")
    expect("exec", status: 3, errors: "exit code 3")
    expect("input")
    expect("port-forward", output: "Forwarding from 127.0.0.1:18080 -> 8080")
    expect("port-forward", output: "GET /hello HTTP/1.1\n")
    expect("explain", output: "Deployment")
    expect("delete", output: "pod \"talker\" deleted")
    expect("delete", output: "service \"talker\" deleted")
    expect("gone", status: 1, errors: "NotFound")
}
