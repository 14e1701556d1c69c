"""A view of a policy hides secrets; other values stay readable."""

import base64
from typing import Any

import pytest

from domain.inventory.content import normalize
from domain.inventory.secrets import HIDDEN, hide, shown

SECRET = "correct-horse-7"
UNATTEND = f"<AdministratorPassword><Value>{SECRET}</Value></AdministratorPassword>"
RANDOM = "q7Zp2LkV9xTb4WmR8sYc1NfH6dJg3Ka0"


def view(body: dict[str, Any]) -> Any:
    return shown(hide(normalize(body)))


def encoded(text: str, encoding: str = "utf-8") -> str:
    return base64.b64encode(text.encode(encoding)).decode()


@pytest.mark.parametrize(
    "body",
    [
        {"preSharedKey": SECRET},
        {"wifi": [{"preSharedKey": SECRET}]},
        {"sharedSecret": SECRET},
        {"scepChallenge": SECRET},
        {"challengePassword": SECRET},
        {"proxyPassword": SECRET},
        {"wepKey": SECRET},
        {"kioskModeExitCode": SECRET},
        {"devicePin": 4711},
        {"encryptedPfxBlob": SECRET},
        {"passwords": [SECRET, "other"]},
        {"credentials": {"user": "u", "pass": SECRET}},
        {"omaSettings": [{"omaUri": "./x", "isEncrypted": True, "value": SECRET}]},
        {"omaSettings": [{"omaUri": "./x", "secretReferenceValueId": "r", "value": SECRET}]},
        {
            "omaSettings": [
                {"omaUri": "./Device/Vendor/MSFT/Accounts/Users/a/Password", "value": SECRET}
            ]
        },
        {"omaSettings": [{"omaUri": "./Wlan", "value": f"<keyMaterial>{SECRET}</keyMaterial>"}]},
        {"omaSettings": [{"omaUri": "./Eap", "value": f"<a:Challenge><![CDATA[{SECRET}]]>"}]},
        {"omaSettings": [{"omaUri": "./Vpn", "value": f'<SharedSecret id="1">{SECRET}'}]},
        {"omaSettings": [{"omaUri": "./Unattend", "value": encoded(UNATTEND)}]},
        {"omaSettings": [{"omaUri": "./Wlan", "value": encoded(f"<Password>{SECRET}</Password>")}]},
        {"appSettings": [{"appConfigKey": "api_key", "appConfigKeyValue": SECRET}]},
        {"customData": [{"key": "sharedSecret", "value": SECRET}]},
        {
            "settings": [
                {
                    "settingInstance": {
                        "settingDefinitionId": "some_setting",
                        "simpleSettingValue": {
                            "@odata.type": "#microsoft.graph."
                            "deviceManagementConfigurationSecretSettingValue",
                            "value": SECRET,
                        },
                    }
                }
            ]
        },
        {
            "settings": [
                {
                    "settingInstance": {
                        "settingDefinitionId": "some_setting",
                        "simpleSettingValue": {"value": SECRET, "valueState": "notEncrypted"},
                    }
                }
            ]
        },
        {
            "settings": [
                {
                    "settingInstance": {
                        "settingDefinitionId": "com.apple.vpn.managed_ipsec_sharedsecret",
                        "simpleSettingValue": {"value": SECRET},
                    }
                }
            ]
        },
        {"scriptContent": encoded(f"$password = '{SECRET}'\r\n")},
        {"scriptContent": encoded(f"$password = '{SECRET}'", "utf-16")},
        {"payloadJson": encoded(f'{{"password": "{SECRET}"}}')},
        {"payload": encoded(f"<dict><key>Password</key>\n<string>{SECRET}</string></dict>")},
        {"settings": [{"definitionId": "wifi--presharedkey", "valueJson": f'"{SECRET}"'}]},
        {"script": "a " * 20_000 + f"net use x: /user:a {SECRET}"},
        {"note": f"Server=db;Password={SECRET}"},
        {"anything": RANDOM},
    ],
)
def test_a_secret_is_hidden(body: dict[str, Any]) -> None:
    text = str(view(body))
    assert HIDDEN in text
    assert SECRET not in text
    assert RANDOM not in text
    assert encoded(SECRET)[:8] not in text


@pytest.mark.parametrize(
    "body",
    [
        {"passwordRequired": True, "passwordMinimumLength": 8, "passwordRequiredType": "numeric"},
        {"passwordBlockSimple": False, "passcodeExpirationDays": 90, "pinRequired": True},
        {"preSharedKeyIsSet": True, "requirePassword": True},
        {"name": "Win - Compliance - U - Password - v3.1", "value": "plain"},
        {"description": "The password must be changed by the user."},
        {"keyUsage": "digitalSignature", "vppTokenId": "b3f4c0de-0000-4000-8000-000000000001"},
        {"thumbprint": "A94A8FE5CCB19BA61C4C0873D391E987982FBBD3"},
        {"scriptContent": encoded("Write-Host 'hello'\r\nGet-Service | Sort-Object Name\r\n")},
        {"scriptContent": encoded("\ufeffWrite-Host 'hello'\r\n")},
        {"settings": [{"definitionId": "passwordrequired", "valueJson": "true"}]},
        {
            "settings": [
                {
                    "settingDefinitionId": "device_vendor_msft_policy_config_credentials",
                    "choiceSettingValue": {"value": "device_vendor_msft_config_credentials_1"},
                }
            ]
        },
        {
            "settings": [
                {
                    "settingDefinitionId": "device_vendor_msft_config_userrights_createtoken",
                    "simpleSettingCollectionValue": [{"value": "*S-1-5-19"}],
                }
            ]
        },
        {"certificate@odata.bind": "deviceManagement/deviceConfigurations('a1')"},
    ],
)
def test_a_harmless_value_stays_readable(body: dict[str, Any]) -> None:
    assert view(body) == normalize(body)
