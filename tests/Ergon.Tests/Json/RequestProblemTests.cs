using System.Text;

namespace Ergon.Tests.Json;

/// <summary>What is refused, and what is said about it.</summary>
public sealed class RequestProblemTests
{
    [Fact]
    public void Every_problem_of_a_request_is_reported_at_once()
    {
        const string json = """
            {
              "job_id": "-bad", "engine_spec": {"params": {"a": 1, "a": 2}, "tpye": "docker"},
              "resources": {"cpu": 1e999, "memory": "256q", "memry": 1, "pids": 1.5, "gpus": [{"vendor": "nvidai"}]},
              "inputs": [{"target": "/in", "read_only": "yes"}, null], "outputs": {},
              "results_dir": 5, "environment": {"A": 1, "A": "2"}, "timeout": "30s", "timeouts": {"run": "30", "prepare": -1},
              "network": {"mode": "brigde", "ports": [{"host_port": 1, "protocol": "icmp"}], "dns": [1]}, "PortsToBind": [],
              "provision_scripts": [{"script": "x", "content": "eA=="}], "persist_logs": true,
              "log_limits": {"result_bytes": 3000000000}, "labels": ["a=b"]
            }
            """;
        ProblemsOf(json).Should().Equal(
            "timeout: is not known; did you mean 'timeouts'?",
            $"job_id: is '-bad'; give {Identifier.Rule}.",
            $"execution_id: is missing; give {Identifier.Rule}.",
            "engine_spec.tpye: is not known; did you mean 'type'?",
            "engine_spec.type: is missing; give the executor to use, such as docker or process.",
            "engine_spec.params.a: is given twice; give it once.",
            "resources.memry: is not known; did you mean 'memory'?",
            "resources.cpu: is 1e999; give a number.",
            $"resources.memory: is '256q'; {ByteSize.Rule}.",
            "resources.pids: is 1.5; give a whole number.",
            "resources.gpus[0].vendor: is 'nvidai'; did you mean 'nvidia'?",
            "inputs[0].source: is missing; give where the data is on the host.",
            "inputs[0].read_only: is 'yes'; give true or false.",
            "inputs[1]: is null; give an object with type, source, target, read_only.",
            "outputs: is an object; give a list of volumes.",
            "results_dir: is 5; give a text in quotes.",
            "environment.A: is given twice; give it once.",
            "environment.A: is 1; give a text in quotes.",
            $"timeouts.prepare: is -1; {Duration.Rule}; or whole nanoseconds without a unit.",
            $"timeouts.run: is '30'; {Duration.Rule}; or whole nanoseconds without a unit.",
            "network.mode: is 'brigde'; did you mean 'bridge'?",
            "network.ports: is given twice, in the network and in the request itself; give it once.",
            "network.ports[0].executor_port: is missing; give the port inside the execution.",
            "network.ports[0].protocol: is 'icmp'; known are tcp, udp",
            "network.dns[0]: is 1; give a text in quotes.",
            "provision_scripts[0].name: is missing; give a file name of its own.",
            "provision_scripts[0].script: is given beside content; give one of them.",
            $"persist_logs: is true; {Duration.Rule}; or whole nanoseconds without a unit.",
            $"log_limits.result_bytes: is 3000000000; {ByteSize.Rule}.",
            "labels: is a list; give an object of names, each with a text.");
    }

    [Theory]
    [InlineData("", "request: is empty; give a JSON object.")]
    [InlineData(" \n ", "request: is empty; give a JSON object.")]
    [InlineData("null", "request: is JSON, but not an object; give an object with job_id, execution_id, engine_spec, ...")]
    [InlineData("[]", "request: is JSON, but not an object; give an object with job_id, execution_id, engine_spec, ...")]
    [InlineData("\uFEFF{}", "request: begins with a byte order mark; save it as UTF-8 without one.")]
    [InlineData("""{"job_id": "\ud800"}""", "request: has half of a surrogate pair at byte 12, which is no character.")]
    [InlineData("""{"job_id": "\udc00"}""", "request: has half of a surrogate pair at byte 12, which is no character.")]
    [InlineData("""{"job_id": "\ud83d\ud83d"}""", "request: has half of a surrogate pair at byte 12, which is no character.")]
    [InlineData("""{"\ud83d\n": 1}""", "request: has half of a surrogate pair at byte 2, which is no character.")]
    [InlineData("""{"engine_spec": {"params": {"a": [{"b": "\uD800"}]}}}""", "request: has half of a surrogate pair at byte 41, which is no character.")]
    public void A_text_that_is_no_JSON_object_has_one_problem(string json, string problem) => ProblemsOf(json).Should().Equal(problem);

    [Theory]
    [InlineData("{")]
    [InlineData("{} {}")]
    [InlineData("{} x")]
    [InlineData("{}\0")]
    [InlineData("{\"a\": \"\0\"}")]
    [InlineData("{\"a\": \"\u001b[2J\"}")]
    [InlineData("{\"a\": 1,}")]
    [InlineData("// no comments\n{}")]
    [InlineData("{'a': 1}")]
    [InlineData("{\"a\": 01}")]
    [InlineData("{\"a\": NaN}")]
    [InlineData("{\"a\": \"\\u12g4\"}")]
    public void A_text_that_is_not_JSON_is_refused_with_its_place(string json)
    {
        var problem = ProblemsOf(json).Should().ContainSingle().Which;
        problem.Should().MatchRegex(@"^request: is not JSON: .+ \(line \d, byte \d+\)$");
        problem.Should().NotContain("\u001b").And.NotContain("LineNumber");
    }

    [Fact]
    public void Bytes_that_are_not_UTF8_are_refused() =>
        ProblemsOf([.. "{\"job_id\": \""u8, 0xff, .. "\"}"u8]).Should().Equal("request: is not UTF-8.");

    [Theory]
    [InlineData('[', "")]
    [InlineData('{', "\"a\":")]
    public void Deep_nesting_is_refused(char open, string name)
    {
        var deep = string.Concat(Enumerable.Repeat(open + name, 200_000));
        ProblemsOf(deep).Should().ContainSingle().Which.Should().Contain("depth");
        ProblemsOf($$"""{"engine_spec": {"params": {"a": {{deep}}""").Should().ContainSingle().Which.Should().Contain("depth");
    }

    [Theory]
    [InlineData("\"results_dir\": \"/a\\u0000\"", "results_dir: contains NUL")]
    [InlineData("\"labels\": {\"a\": \"\\u0000\"}", "labels.a: contains NUL")]
    [InlineData("\"labels\": {\"a\\u0000\": \"\"}", "labels.a\uFFFD: has NUL in its name")]
    [InlineData("\"environment\": {\"a\\u0000\": \"\"}", "environment.a\uFFFD: has NUL in its name")]
    [InlineData("\"environment\": [\"a=\\u0000\"]", "environment[0]: contains NUL")]
    [InlineData("\"environment\": [\"a\"]", "environment[0]: is 'a'; give NAME=value.")]
    [InlineData("\"environment\": [\"a=1\", \"a=2\"]", "environment[1]: gives 'a' a second time")]
    [InlineData("\"environment\": \"a=1\"", "environment: is 'a=1'; give an object of names, each with a text, or a list of NAME=value.")]
    [InlineData("\"environment\": {\"a\": null}", "environment.a: is null")]
    [InlineData("\"resources\": {\"memory\": 9223372036854775808}", "resources.memory: is 9223372036854775808; give")]
    [InlineData("\"resources\": {\"memory\": 1e999}", "resources.memory: is 1e999; give")]
    [InlineData("\"resources\": {\"memory\": 1.5}", "resources.memory: is 1.5; give")]
    [InlineData("\"resources\": {\"memory\": \"9e\"}", "resources.memory: is '9e'; give")]
    [InlineData("\"resources\": {\"memory\": \"-1\"}", "resources.memory: is '-1'; give")]
    [InlineData("\"resources\": {\"cpu\": \"two\"}", "resources.cpu: is 'two'; give a number.")]
    [InlineData("\"resources\": []", "resources: is a list; give an object with cpu, memory, disk, pids, gpus.")]
    [InlineData("\"timeouts\": {\"run\": 9223372036854775808}", "timeouts.run: is 9223372036854775808; give")]
    [InlineData("\"timeouts\": {\"run\": 1.5}", "timeouts.run: is 1.5; give")]
    [InlineData("\"timeouts\": {\"run\": \"99999999999d\"}", "timeouts.run: is '99999999999d'; give")]
    [InlineData("\"persist_logs\": {}", "persist_logs: is an object; give")]
    [InlineData("\"network\": {\"mode\": \"1\"}", "network.mode: is '1'; known are none, bridge, host")]
    [InlineData("\"network\": {\"mode\": 1}", "network.mode: is 1; give one of none, bridge, host.")]
    [InlineData("\"network\": {\"mode\": \"none,host\"}", "network.mode: is 'none,host'; known are")]
    [InlineData("\"network\": {\"ports\": [{\"executor_port\": 4294967376}]}", "network.ports[0].executor_port: is 4294967376; give a port's number.")]
    [InlineData("\"GatewayIP\": \"::1\", \"network\": {\"gateway_ip\": \"::2\"}", "network.gateway_ip: is given twice")]
    [InlineData("\"GatewayIP\": \"::1\", \"gateway_ip\": \"::2\"", "network.gateway_ip: is given twice, as 'GatewayIP' and as 'gateway_ip'")]
    [InlineData("\"PersistLogsDuration\": 1, \"persist_logs\": \"1s\"", "persist_logs: is given twice, as 'PersistLogsDuration' and as 'persist_logs'")]
    [InlineData("\"JobID\": \"x\"", "job_id: is given twice, as 'job_id' and as 'JobID'; give it once.")]
    [InlineData("\"engine_spec\": null", "engine_spec: is given twice, as 'engine_spec' and as 'engine_spec'; give it once.")]
    [InlineData("\"provision_scripts\": {\"a\": \"not base64\"}", "provision_scripts.a: is 'not base64'; give bytes in base64.")]
    [InlineData("\"provision_scripts\": {\"a\": \"\", \"a\": \"\"}", "provision_scripts.a: is given twice")]
    [InlineData("\"provision_scripts\": [{\"name\": \"a\"}]", "provision_scripts[0].content: is missing; give the script's bytes in base64, or give script")]
    [InlineData("\"provision_scripts\": [{\"name\": \"a\", \"content\": \"ö\"}]", "provision_scripts[0].content: is 'ö'; give bytes in base64.")]
    [InlineData("\"provision_scripts\": \"x\"", "provision_scripts: is 'x'; give a list of scripts")]
    [InlineData("\"outputs\": [{\"source\": \"a\", \"traget\": \"/b\"}]", "outputs[0].traget: is not known; did you mean 'target'?")]
    [InlineData("\"\": 1", "'': is not known; known are job_id")]
    [InlineData("\"_\": 1", "_: is not known; known are job_id")]
    public void A_wrong_field_is_named(string field, string problem)
    {
        var problems = ProblemsOf($$"""{"job_id": "j", "execution_id": "e", "engine_spec": {"type": "process"}, {{field}} }""");
        problems.Should().Contain(p => p.StartsWith(problem, StringComparison.Ordinal));
    }

    [Fact]
    public void What_cannot_be_read_of_a_list_does_not_shift_the_places_of_the_rest() =>
        ProblemsOf("""{"job_id": "j", "execution_id": "e", "engine_spec": {"type": "p"}, "network": {"dns": [1, "1.1.1.1", 2]}}""")
            .Select(p => p.Split(':')[0]).Should().Equal("network.dns[0]", "network.dns[2]");

    [Fact]
    public void A_message_does_not_repeat_a_long_or_dangerous_value()
    {
        var problems = ProblemsOf($$"""{"job_id": "{{new string('x', 100_000)}}", "execution_id": "\u001b[2J", "\u001b{{new string('y', 9999)}}": {} }""");
        problems.Should().OnlyContain(p => p.Length < 400 && !p.Contains('\u001b')).And.Contain(p => p.Contains('…'));
    }

    [Fact]
    public void Of_very_many_problems_the_first_are_described_and_the_rest_is_counted()
    {
        var fields = string.Join(", ", Enumerable.Range(0, 100_000).Select(i => $"\"unknown{i}\": 1"));
        var problems = ProblemsOf($$"""{"job_id": "j", "execution_id": "e", "engine_spec": {"type": "process"}, {{fields}} }""");
        problems.Should().HaveCount(101);
        problems[^1].Should().Be("request: has 99900 further problems.");
    }

    [Fact]
    public void The_error_names_the_execution_when_its_id_could_be_read()
    {
        var error = ErrorOf("""{"execution_id": "e"}"""u8.ToArray());
        error.ExecutionId.Should().Be(ExecutionId.Parse("e"));
        error.Message.Should().StartWith("The request has 2 problems:\n  - job_id: is missing");
    }

    private static List<string> ProblemsOf(string json) => ProblemsOf(Encoding.UTF8.GetBytes(json));

    private static List<string> ProblemsOf(byte[] json) => [.. ErrorOf(json).Problems.Select(p => p.ToString())];

    private static ExecutorException ErrorOf(byte[] json)
    {
        var read = () => ErgonJson.ParseRequest(json);
        var error = read.Should().Throw<ExecutorException>().Which;
        error.Code.Should().Be(ErrorCode.InvalidRequest);
        error.Problems.Should().NotBeEmpty();
        return error;
    }
}
