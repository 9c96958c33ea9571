import JSON
import Testing

@testable import Kubelet

@Suite struct ProbeTests {
    /// A pod with one container and one probe.
    func probed(_ probe: String, _ values: String, restartPolicy: String = "Always") throws -> KubePod {
        try pod(
            #"""
            {"restartPolicy": "\#(restartPolicy)", "containers": [{"name": "app", "image": "curl:8",
             "ports": [{"name": "http", "containerPort": 8080}],
             "\#(probe)": {\#(values)}}]}
            """#)
    }

    func probes(_ bench: Bench) -> [ProbeTarget] {
        bench.log.compactMap { if case .probe(_, let target, _) = $0 { target } else { nil } }
    }

    @Test(arguments: [
        (
            #""httpGet": {"port": "http", "path": "/up"}"#,
            ProbeTarget.http(isTLS: false, host: "10.1.0.5", port: 8080, path: "/up", headers: [])
        ),
        (
            #""httpGet": {"port": 443, "scheme": "HTTPS", "host": "h", "httpHeaders": [{"name": "A", "value": "b"}]}"#,
            .http(isTLS: true, host: "h", port: 443, path: "/", headers: [["A", "b"]])
        ),
        (#""tcpSocket": {"port": "81"}"#, .tcp(host: "10.1.0.5", port: 81)),
        (#""exec": {"command": ["cat", "/ok"]}"#, .exec(["cat", "/ok"])),
    ])
    func whatIsProbed(handler: String, target: ProbeTarget) throws {
        var bench = try Bench()
        bench.feed(.pod(try probed("readinessProbe", handler)))
        #expect(probes(bench) == [target])
        #expect(bench.condition("Ready") == "True")
    }

    @Test func aPortOfNoNameIsAnError() throws {
        var bench = try Bench()
        bench.feed(.pod(try probed("readinessProbe", #""tcpSocket": {"port": "none"}"#)))
        #expect(
            bench.told.last
                == "Warning Unhealthy: Readiness probe errored: strconv.Atoi: parsing \"none\": invalid syntax")
        #expect(bench.condition("Ready").hasPrefix("False"))
    }

    @Test func readinessComesAndGoes() throws {
        var bench = try Bench()
        var outcome = ProbeOutcome.failure(ProbeWords.statusCode(503))
        bench.answer = { if case .probe(let probe, _, _) = $0 { [.probed(probe, outcome)] } else { nil } }
        bench.feed(
            .pod(
                try probed(
                    "readinessProbe",
                    #""httpGet": {"port": 80}, "initialDelaySeconds": 5, "periodSeconds": 2, "failureThreshold": 3, "successThreshold": 2"#
                )))
        bench.run(.seconds(4))
        #expect(probes(bench).isEmpty)
        bench.run(.seconds(4))
        #expect(probes(bench).count == 2)
        #expect(bench.told.last == "Warning Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503")
        outcome = .success
        bench.answer = { if case .probe(let probe, _, _) = $0 { [.probed(probe, outcome)] } else { nil } }
        bench.run(.seconds(2))
        #expect(bench.condition("Ready").hasPrefix("False"), "one success is not two")
        bench.run(.seconds(2))
        #expect(bench.condition("Ready") == "True" && bench.shown.last == "Running app+=running")
        outcome = .failure("x")
        bench.answer = { if case .probe(let probe, _, _) = $0 { [.probed(probe, outcome)] } else { nil } }
        bench.run(.seconds(4))
        #expect(bench.condition("Ready") == "True", "two failures are not three")
        bench.run(.seconds(2))
        #expect(bench.condition("Ready") == "False ContainersNotReady containers with unready status: [app]")
        #expect(bench.running.count == 1)
    }

    @Test(arguments: [("livenessProbe", "liveness"), ("startupProbe", "startup")])
    func aFailedProbeKills(probe: String, word: String) throws {
        for (policy, more) in [("Always", ", will be restarted"), ("Never", "")] {
            var bench = try Bench()
            bench.answer = {
                if case .probe(let probe, _, _) = $0 { [.probed(probe, .failure("no"))] } else { nil }
            }
            bench.feed(
                .pod(
                    try probed(
                        probe, #""exec": {"command": ["x"]}, "periodSeconds": 1, "failureThreshold": 2"#,
                        restartPolicy: policy)))
            bench.run(.seconds(2))
            #expect(bench.told.contains("Normal Killing: Container app failed \(word) probe\(more)"))
            let starts = bench.log.count { if case .startContainer = $0 { true } else { false } }
            #expect(starts == (policy == "Always" ? 2 : 1))
        }
    }

    @Test func theOthersWaitForStartup() throws {
        var bench = try Bench()
        var isUp = false
        func answers() -> (KubeletAction) -> [KubeletInput]? {
            { [isUp] in
                guard case .probe(let probe, _, _) = $0 else { return nil }
                return [.probed(probe, probe.kind == .startup && !isUp ? .failure("no") : .success)]
            }
        }
        bench.answer = answers()
        bench.feed(
            .pod(
                try pod(
                    #"""
                    {"containers": [{"name": "app", "image": "curl:8",
                     "startupProbe": {"exec": {"command": ["s"]}, "periodSeconds": 1, "failureThreshold": 100},
                     "readinessProbe": {"exec": {"command": ["r"]}, "periodSeconds": 1},
                     "livenessProbe": {"exec": {"command": ["l"]}, "periodSeconds": 1}}]}
                    """#)))
        bench.run(.seconds(5))
        #expect(Set(probes(bench)) == [.exec(["s"])])
        #expect(bench.status()["containerStatuses"]?.elements?.first?["started"] == .bool(false))
        isUp = true
        bench.answer = answers()
        bench.run(.seconds(3))
        #expect(Set(probes(bench)) == [.exec(["s"]), .exec(["r"]), .exec(["l"])])
        #expect(bench.condition("Ready") == "True")
        let before = probes(bench).count { $0 == .exec(["s"]) }
        bench.run(.seconds(10))
        #expect(probes(bench).count { $0 == .exec(["s"]) } == before)
    }

    @Test func anErrorCountsNeitherWay() throws {
        var bench = try Bench()
        bench.answer = {
            if case .probe(let probe, _, _) = $0 { [.probed(probe, .unknown("no such process"))] } else { nil }
        }
        bench.feed(
            .pod(try probed("livenessProbe", #""exec": {"command": ["x"]}, "periodSeconds": 1, "failureThreshold": 1"#))
        )
        bench.run(.seconds(10))
        #expect(bench.running.count == 1 && bench.running.values.first?.attempt == 0)
        #expect(bench.told.last == "Warning Unhealthy: Liveness probe errored: no such process")
    }

    @Test func readinessGatesHoldAPodBack() throws {
        var bench = try Bench()
        let spec =
            #"{"readinessGates": [{"conditionType": "lb/ready"}], "containers": [{"name": "app", "image": "curl"}]}"#
        bench.feed(.pod(try pod(spec)))
        #expect(bench.condition("ContainersReady") == "True")
        #expect(
            bench.condition("Ready")
                == "False ReadinessGatesNotReady corresponding condition of pod readiness gate \"lb/ready\" does not exist."
        )
        bench.feed(.pod(try pod(spec, status: #"{"conditions": [{"type": "lb/ready", "status": "False"}]}"#)))
        #expect(
            bench.condition("Ready").hasSuffix(
                "the status of pod readiness gate \"lb/ready\" is not \"True\", but False"))
        bench.feed(.pod(try pod(spec, status: #"{"conditions": [{"type": "lb/ready", "status": "True"}]}"#)))
        #expect(bench.condition("Ready") == "True")
    }

    @Test func theWordsAreGos() {
        let url = ProbeWords.url(isTLS: false, host: "10.1.0.5", port: 80, path: "/up")
        #expect(
            ProbeWords.http(url, host: "10.1.0.5", port: 80, .refused)
                == "Get \"http://10.1.0.5:80/up\": dial tcp 10.1.0.5:80: connect: connection refused")
        #expect(
            ProbeWords.http(url, host: "10.1.0.5", port: 80, .timedOut)
                == "Get \"http://10.1.0.5:80/up\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        )
        #expect(ProbeWords.tcp(host: "10.1.0.5", port: 80, .timedOut) == "dial tcp 10.1.0.5:80: i/o timeout")
    }
}
