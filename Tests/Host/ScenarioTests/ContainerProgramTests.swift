import Testing

@testable import Scenario

@Suite struct ContainerProgramTests {
    @Test(arguments: [
        ("busybox", "busybox"), ("docker.io/library/busybox:1.35", "busybox"),
        ("registry.k8s.io/coredns/coredns:v1.11.1", "coredns"), ("localhost:5000/a/curl@sha256:00", "curl"), ("", ""),
    ])
    func theLastPartOfAnImageIsItsName(_ image: String, _ name: String) {
        #expect(ContainerImages.name(of: image) == name)
    }

    @Test(
        arguments: [
            ("busybox", [], [], nil), ("busybox", ["sleep"], ["9"], ["sleep", "9"]), ("busybox", [], ["ls"], ["ls"]),
            ("curl", [], [], nil), ("curlimages/curl:8", [], ["http://x"], ["curl", "http://x"]),
            ("x/curl:8", [], ["http://x"], ["curl", "http://x"]), ("iperf3", [], [], ["iperf3", "--server"]),
            ("iperf3", [], ["-c", "a"], ["iperf3", "-c", "a"]), ("nginx", [], [], nil), (nil, [], [], nil),
            (nil, ["true"], [], ["true"]), ("nginx", ["a"], [], ["a"]),
        ] as [(String?, [String], [String], [String]?)])
    func commandAndArgsOverruleTheImage(_ image: String?, _ command: [String], _ args: [String], _ words: [String]?) {
        #expect(ContainerImages.command(image: image, command: command, arguments: args) == words)
    }

    private func parse(_ containers: String, policy: String = "Always") -> ScenarioParser.Parsed {
        let text = """
            apiVersion: labrun.dev/v1alpha1
            kind: Scenario
            metadata: {name: x, title: x}
            spec:
              lab: eks-overlay
              workloads:
                - apiVersion: v1
                  kind: Pod
                  metadata: {name: p}
                  spec: {restartPolicy: \(policy), containers: \(containers)}
              timeline: [{name: a, expect: {matrix: [{from: {}, to: {}, outcome: open}]}}]
            """
        let parser = ScenarioParser(faults: [], diagnoses: [], profiles: ScenarioLoader.labProfiles)
        return parser.parse(Array(text.utf8), file: "x.yaml", settings: [])
    }

    private func workload(_ containers: String, policy: String = "Always") throws -> Workload {
        let parsed = parse(containers, policy: policy)
        #expect(parsed.problems.filter { $0.severity == .error }.isEmpty, "\(parsed.problems)")
        let file = try #require(parsed.scenario)
        #expect(file.podsNeedUserland == !(file.spec.workloads[0].programs.isEmpty))
        return file.spec.workloads[0]
    }

    @Test func aContainerWithoutAProgramAnswersOnItsPort() throws {
        let pod = try workload("[{name: a, image: nginx, ports: [{containerPort: 8081}]}]")
        #expect(pod.port == 8081)
        #expect(pod.programs.isEmpty)
        #expect(pod.restartPolicy == "Always")
    }

    @Test func aProgramHasItsPortForItself() throws {
        let pod = try workload(
            "[{name: a, command: [httpd, -f], env: [{name: A, value: b}], ports: [{containerPort: 8080}]}]",
            policy: "Never")
        #expect(pod.port == 18080)
        #expect(
            pod.programs == [ContainerProgram(name: "a", command: ["httpd", "-f"], environment: ["A=b"])])
        #expect(pod.restartPolicy == "Never")
        let mixed = try workload(
            "[{name: a, command: [x], ports: [{containerPort: 80}]}, {name: b, ports: [{containerPort: 9000}]}]")
        #expect(mixed.port == 9000)
    }

    @Test(
        "what execve(2) would refuse is refused",
        arguments: [
            ("command: [a, \"b\\0\"]", "command has a text with a NUL character"),
            ("command: [a], args: [\"\\0\"]", "args has a text with a NUL character"),
            ("command: [a], env: [{name: A, value: \"\\0\"}]", "env has a text with a NUL character"),
            ("command: [a], env: [{name: A=B, value: c}]", "a variable's name has no \"=\""),
            (
                "command: [a, \(String(repeating: "x", count: 131_072))]",
                "command has a text of 131072 bytes; a program gets at most 131071"
            ),
            ("command: [a, \(String(repeating: "x", count: 131_071))]", nil),
        ] as [(String, String?)])
    func arguments(_ container: String, _ message: String?) {
        let problems = parse("[{name: a, \(container)}]").problems.filter { $0.severity == .error }
        #expect(problems.map(\.message) == (message.map { [$0] } ?? []))
    }
}
